#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Linux that works on a disk of each format is put back to snapshots, whatever was done to it meanwhile.

The guest writes trees of files, counts, and keeps its disks busy all the time. It knows the sums of its files, and the host
knows the sum of those: so memory and all disks must be of the same instant after each way through the tree of snapshots."""
import json
import pathlib
import subprocess
import tempfile

from guest import BUNSHIN, Failure, Guest, Library, guest_file, tap

LIMIT = 600 # seconds; an upper bound, not a measure
SIZE = 96 << 20
FIRST = 2048 # the sector where the partition begins
DISKS = {'ide0': 'vdi', 'ide1': 'vmdk', 'virtio0': 'vhd', 'scsi0': 'hdd', 'nvme0': 'qcow2'}
# µs that the guest may stand still; it is a fraction of this, but the host has more to do than this test.
PAUSE_MAX = 1000000

GUEST = r'''
drop () { sync; echo 3 > /proc/sys/vm/drop_caches; }
head_of () { dd if=/dev/$1 bs=512 count=1 2>/dev/null | md5sum; }
devices=
for device in $(ls /sys/block); do
  label=$(head -c 64 /dev/$device 2>/dev/null | tr -d '\000' | sed -n 's/^BUNSHIN-SNAPSHOT \([a-z0-9-]*\)$/\1/p')
  [ -n "$label" ] || continue
  part=$(ls /sys/block/$device | grep "^$device" | head -n 1)
  mkdir -p /mnt/$label
  { mke2fs -q /dev/$part || mke2fs /dev/$part; } >/dev/null 2>&1
  mount -t ext4 /dev/$part /mnt/$label && devices="$devices $device" || echo "not mounted: $label"
  head_of $device > /tmp/head-$device
done
change () {
  for disk in /mnt/*; do
    mkdir -p "$disk/$1/deep er" || return 1
    for n in 1 2 3 4 5 6; do dd if=/dev/urandom of=$disk/$1/small-$n bs=777 count=$n 2>/dev/null || return 1; done
    dd if=/dev/urandom of="$disk/$1/deep er/large" bs=64k count=24 2>/dev/null || return 1
    seq 1 3000 > "$disk/$1/numbers" && ln $disk/$1/small-3 "$disk/$1/deep er/same" || return 1
    # In place, at odd offsets; what is gone makes room for what comes.
    if [ -d $disk/base ]; then
      dd if=/dev/urandom of="$disk/base/deep er/large" bs=1000 count=33 seek=77 conv=notrunc,fsync 2>/dev/null || return 1
      rm -f $disk/base/small-5
    fi
  done
  sync
  (cd /mnt && find . -type f ! -path '*/lost+found*' ! -name busy -exec md5sum {} + | sort) > /tmp/sums
}
whole () {
  drop
  (cd /mnt && md5sum -c /tmp/sums > /tmp/checked) || { echo DAMAGED; grep -v ': OK$' /tmp/checked | head -n 5; }
  for device in $devices; do [ "$(head_of $device)" = "$(cat /tmp/head-$device)" ] || echo "DAMAGED head of $device"; done
  first=$(cat /tmp/count); sleep 1; [ $(cat /tmp/count) -gt $first ] || echo STOPPED
  echo "sum $(md5sum < /tmp/sums | cut -c 1-32) of $(wc -l < /tmp/sums) end"
}
destroy () {
  rm -rf /mnt/*/*
  for device in $devices; do dd if=/dev/zero of=/dev/$device bs=64k count=200 conv=fsync 2>/dev/null; done
  drop
  echo "destroyed-$((40 + 2))"
}
( n=0; while :; do n=$((n + 1)); echo $n > /tmp/new && mv /tmp/new /tmp/count; sleep 0.1; done ) &
( while :; do for disk in /mnt/*; do date >> $disk/busy; done; sync; sleep 0.1; done ) 2>/dev/null &
busy=$!
'''


def make_image(folder, slot, disk_format):
    """A dynamic image with a label and one partition."""
    raw, image = folder / 'label.raw', folder / f'{slot}.{disk_format}'
    sector = bytearray(512)
    label = f'BUNSHIN-SNAPSHOT {slot}-{disk_format}\n'.encode()
    sector[:len(label)] = label
    entry = bytes([0, 0, 2, 0, 0x83, 0xff, 0xff, 0xff])
    sector[446:462] = entry + FIRST.to_bytes(4, 'little') + (SIZE // 512 - FIRST).to_bytes(4, 'little')
    sector[510:] = b'\x55\xaa'
    with open(raw, 'wb') as file:
        file.write(sector)
        file.truncate(SIZE)
    subprocess.run([BUNSHIN, 'disk', 'convert', str(raw), str(image), '--format', disk_format, '--variant', 'dynamic'],
                   check=True, stdout=subprocess.DEVNULL)
    return image


class Tester:
    def __init__(self, guest):
        self.guest, self.library, self.serial = guest, guest.library, guest.serial
        self.sums = {}
        self.pauses, self.restores = [], []

    def say(self, command):
        """Has the guest carry it out."""
        self.serial.send(f'{command}\n')

    def sum(self):
        """The sum of the sums, from a guest that has just checked all of its files."""
        self.say('whole')
        said = self.serial.expect(r'(DAMAGED[^\n]*|STOPPED)\n|sum ([0-9a-f]{32}) of (\d+) end\n', LIMIT)
        if said[1]:
            raise Failure(f'{said[0]}:\n{self.serial.output[-3000:]}')
        if int(said[3]) < len(DISKS) * 8:
            raise Failure(f'the guest has only {said[3]} files')
        return said[2]

    def change(self, word):
        self.say(f'change {word} && echo changed-$((40 + 2)) || echo failed-$((40 + 2))')
        if self.serial.expect(r'(changed|failed)-42\n', LIMIT)[1] == 'failed':
            raise Failure(f'the guest could not write:\n{self.serial.output[-3000:]}')

    def figure(self, key):
        return json.loads(self.library('info', self.guest.name, '--json').stdout)[key]

    def take(self, name):
        self.sums[name] = self.sum()
        self.library('snapshot', 'take', self.guest.name, name, timeout=LIMIT)
        self.pauses.append(self.figure('last-snapshot-pause'))
        if self.pauses[-1] > PAUSE_MAX:
            raise Failure(f'the guest stood still for {self.pauses[-1]} µs')

    def expect(self, name):
        found = self.sum()
        if found != self.sums[name]:
            raise Failure(f'this is not {name}, but {[n for n, s in self.sums.items() if s == found]}')

    def restore(self, name):
        self.library('snapshot', 'restore', self.guest.name, name, timeout=LIMIT)
        self.restores.append(self.figure('last-restore'))
        self.expect(name)

    def destroy(self):
        self.say('destroy')
        self.serial.expect(r'destroyed-42\n', LIMIT)

    def delete(self, name):
        self.library('snapshot', 'delete', self.guest.name, name, timeout=LIMIT)
        del self.sums[name]

    def start(self, *words):
        """The line is another one then."""
        self.guest.socket.close()
        self.guest.start(*words)
        self.serial = self.guest.serial

    def drives(self):
        return [drive for drive in json.loads(self.library('show', self.guest.name, '--json').stdout)['drives']
                if drive['kind'] == 'disk']


def test_tree(tester):
    tester.change('base')
    tester.take('base')
    tester.destroy()
    tester.restore('base')
    # Levels, and a branch.
    tester.change('second')
    tester.take('second')
    tester.change('third')
    tester.take('third')
    tester.restore('base')
    tester.change('branch')
    tester.take('branch')
    tester.destroy()
    for name in ('third', 'second', 'branch'):
        tester.restore(name)
    # Inner ones go while the guest works on a branch of them.
    tester.delete('second')
    tester.expect('branch')
    tester.delete('base')
    tester.expect('branch')
    tester.destroy()
    for name in ('third', 'branch', 'third'):
        tester.restore(name)


def test_drive(tester):
    guest, library = tester.guest, tester.library
    tester.change('before')
    tester.sums['before'] = tester.sum()
    library('save', guest.name, timeout=LIMIT)
    tester.start('--discard')
    tester.expect('before')
    tester.destroy()
    library('power-off', guest.name)
    # As if nothing had been: the saved state is there again, and the disks that belong to it.
    tester.start('--discard')
    tester.expect('before')
    tester.change('kept')
    tester.sums['kept'] = tester.sum()
    library('drive', guest.name, 'keep-as', 'kept', timeout=LIMIT)
    tester.destroy()
    tester.restore('kept')
    # Of another state than the present one, which comes back.
    library('save', guest.name, timeout=LIMIT)
    tester.start('--discard', '--snapshot', 'branch')
    tester.expect('branch')
    tester.destroy()
    library('drive', guest.name, 'discard', timeout=LIMIT)
    tester.start()
    tester.expect('kept')


def tree_of(raw, folder):
    """The sums of the files in a raw image's partition, by their paths, as the host finds them."""
    part = folder / 'part.raw'
    with open(raw, 'rb') as whole, open(part, 'wb') as file:
        whole.seek(FIRST * 512)
        file.write(whole.read())
    subprocess.run(['e2fsck', '-f', '-n', str(part)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = folder / 'found'
    found.mkdir()
    subprocess.run(['debugfs', '-R', f'rdump / {found}', str(part)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    lines = subprocess.run('find . -type f ! -path "*/lost+found*" ! -name busy -exec md5sum {} +', shell=True, cwd=found,
                           check=True, capture_output=True, text=True).stdout.splitlines()
    subprocess.run(['rm', '-r', str(found), str(part)], check=True)
    return {line[34:]: line[:32] for line in lines}


def test_end(tester, folder):
    """Everything is merged; then the host's own tools find in the images what the guest had."""
    for name in ('third', 'branch', 'kept'):
        tester.delete(name)
    # What the shell says of a job's end must not come in between.
    tester.say('kill $busy; sleep 1; echo "quiet-$((40 + 2))"')
    tester.serial.expect(r'quiet-42\n', LIMIT)
    tester.say('echo; cat /tmp/sums; echo "listed-$((40 + 2))"')
    begin = tester.serial.seen
    tester.serial.expect(r'listed-42\n', LIMIT)
    lines = tester.serial.output[begin:tester.serial.seen].splitlines()
    sums = {line[34:]: line[:32] for line in lines if len(line) > 34 and line[32:34] == '  '}
    tester.say('umount /mnt/*; sync; poweroff -f')
    tester.guest.wait_off(120)
    for drive in tester.drives():
        path = pathlib.Path(drive['path'])
        name = f'{drive["slot"]}-{DISKS[drive["slot"]]}'
        raw = folder / 'whole.raw'
        subprocess.run(['qemu-img', 'convert', '-O', 'raw', str(path), str(raw)], check=True)
        wanted = {path[len(name) + 2:]: digest for path, digest in sums.items() if path.startswith(f'./{name}/')}
        found = {path[1:]: digest for path, digest in tree_of(raw, folder).items()}
        raw.unlink()
        if not wanted or found != wanted:
            raise Failure(f'{name}: the host has {sorted(set(found.items()) - set(wanted.items()))[:6]}, '
                          f'the guest {sorted(set(wanted.items()) - set(found.items()))[:6]}')


def snapshots():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        settings = ['boot=cdrom,disk', *(f'{slot}={make_image(folder, slot, kind)}' for slot, kind in DISKS.items())]
        library = Library()
        try:
            guest = Guest(library, '--memory', '1G', '--cpus', '2', '--disk', 'none', '--controller', 'ahci', '--iso',
                          guest_file('grub-linux.iso'), settings=settings)
            tester = Tester(guest)
            try:
                guest.wait_screen(r'GNU GRUB', 180)
                guest.key('enter')
                guest.serial.expect('serial-shell-ready', LIMIT)
                guest.serial.send(f"cat > /tmp/snapshot.sh <<'END'\n{GUEST}END\n. /tmp/snapshot.sh; echo ready-$((40 + 2))\n")
                guest.serial.expect(r'ready-42\n', LIMIT)
                test_tree(tester)
                test_drive(tester)
                test_end(tester, folder)
            finally:
                print(f'# the guest stood still for {[round(us / 1000) for us in tester.pauses]} ms at snapshots; '
                      f'going back took {[round(us / 1000) for us in tester.restores]} ms', flush=True)
                guest.close()
        finally:
            library.close()


if __name__ == '__main__':
    tap.run([('snapshots', snapshots)])
