#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliances as others see them: tar, xmllint, sha256sum and qemu-img; and the way there and back."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'unit' / 'app'))
import appliance  # noqa: E402
from cli import cli, tap  # noqa: E402

MIB = 1 << 20


def tool(*words, **more):
    if shutil.which(words[0]) is None:
        raise tap.Skip(f'{words[0]} is not installed')
    return subprocess.run(words, check=True, capture_output=True, encoding='utf-8', timeout=120, **more).stdout


def contents(path, size, seed):
    """Some data, some holes, and an end that no grain is a multiple of."""
    numbers = random.Random(seed)
    with open(path, 'wb') as file:
        file.truncate(size)
        for _ in range(6):
            file.seek(numbers.randrange(size // 512 - 256) * 512)
            file.write(numbers.randbytes(100_000))
        file.seek(size - 512)
        file.write(numbers.randbytes(512))
    return path


def machine(bunshin):
    """One with disks on three controllers, a CD drive and an adapter; returns the raw images of its disks."""
    raws = {}
    bunshin.ok('create', 'box', '--disk', 'none', '--memory', '96M', '--cpus', '3', '--os', 'debian12', '--nic', 'nat')
    for number, (slot, form) in enumerate((('ide0', 'vdi'), ('ahci3', 'qcow2'), ('virtio1', 'vmdk'))):
        raws[slot] = contents(bunshin.folder / f'{slot}.raw', (8 + number) * MIB + 512, number)
        bunshin.ok('disk', 'convert', str(raws[slot]), f'{slot}.{form}', '--source-format', 'raw')
        bunshin.ok('set', 'box', f'{slot}={slot}.{form}')
    bunshin.ok('set', 'box', 'description=A “box” & more', 'boot=cdrom,network,disk', 'clock=local', 'nic1-cable=off')
    return raws


def settings(bunshin, name):
    """What must be the same after the way there and back."""
    lines = [line for line in bunshin.ok('show', name).splitlines()
             if line.split(':')[0] not in ('name', 'uuid', 'folder', 'created')]
    disks = {line.split(':')[0]: line.split('disk ', 1)[1].rsplit(' (', 1)[0] for line in lines if ': disk /' in line}
    return [line.split('disk /')[0] for line in lines], disks


def check_vmdk(path, raw):
    """qemu-img reads the same from it."""
    shown = json.loads(tool('qemu-img', 'info', '--output=json', str(path)))
    assert shown['format'] == 'vmdk', shown
    assert shown['format-specific']['data']['create-type'] == 'streamOptimized', shown
    assert shown['virtual-size'] == os.path.getsize(raw)
    tool('qemu-img', 'compare', '-f', 'vmdk', '-F', 'raw', str(path), str(raw))


def check_description(path, version):
    tool('xmllint', '--noout', '--nonet', str(path))
    space = {'1.0': 'http://schemas.dmtf.org/ovf/envelope/1', '2.0': 'http://schemas.dmtf.org/ovf/envelope/2'}[version]
    root = ElementTree.parse(path).getroot()
    assert root.tag == f'{{{space}}}Envelope', root.tag
    files = {file.get(f'{{{space}}}id'): file for file in root.iter(f'{{{space}}}File')}
    for file in files.values():
        assert (path.parent / file.get(f'{{{space}}}href')).stat().st_size == int(file.get(f'{{{space}}}size'))
    disks = list(root.iter(f'{{{space}}}Disk'))
    assert len(disks) == len(files) == 3
    return [path.parent / files[disk.get(f'{{{space}}}fileRef')].get(f'{{{space}}}href') for disk in disks]


def round_trip(version, ending, algorithm):
    with cli() as bunshin:
        raws = machine(bunshin)
        bunshin.ok('export', 'box', f'box.{ending}', '--ovf-version', version, '--manifest', algorithm)
        folder = bunshin.folder / 'unpacked'
        folder.mkdir()
        if ending == 'ova':
            listed = tool('tar', 'tf', str(bunshin.folder / 'box.ova')).split()
            assert listed[0] == 'box.ovf' and listed[1:] == ([] if algorithm == 'none' else ['box.mf']) + [
                f'box-disk{n}.vmdk' for n in (1, 2, 3)], listed
            tool('tar', 'xf', str(bunshin.folder / 'box.ova'), '-C', str(folder))
        else:
            for path in bunshin.folder.glob('box*'):
                shutil.copy(path, folder)
        assert (folder / 'box.mf').exists() == (algorithm != 'none')
        if algorithm != 'none':
            lines = (folder / 'box.mf').read_text().splitlines()
            assert len(lines) == 4
            sums = ''
            for line in lines:
                word, rest = line.split('(', 1)
                name, digest = rest.split(')= ')
                assert word == algorithm.upper()
                sums += f'{digest}  {name}\n'
            tool(f'{algorithm}sum', '--check', '--strict', input=sums, cwd=folder)
        for image, slot in zip(check_description(folder / 'box.ovf', version), ('ide0', 'ahci3', 'virtio1')):
            check_vmdk(image, raws[slot])
        bunshin.refused(1, ['import', f'box.{ending}', '--keep-mac'], 'MAC')
        bunshin.ok('set', 'box', 'nic1-mac=08:00:27:00:00:01')
        before = bunshin.ok('import', f'box.{ending}', '--name', 'kept', '--keep-mac').strip()
        kept, disks = settings(bunshin, before)
        bunshin.ok('set', 'kept', 'nic1-mac=08:00:27:00:00:03')
        original, _ = settings(bunshin, 'box')
        # All but the addresses, which the original has given away, and the formats.
        assert [line for line in kept if not line.startswith('nic')] == [
            line for line in original if not line.startswith('nic')], (kept, original)
        assert [line.split(', 08')[0] for line in kept] == [line.split(', 08')[0] for line in original]
        for slot, path in disks.items():
            bunshin.ok('disk', 'compare', path, str(raws[slot]))


def several():
    """Two machines in one appliance, one disk in both, and a disc that goes along."""
    with cli() as bunshin:
        disc = bunshin.folder / 'disc.iso'
        disc.write_bytes(os.urandom(64 << 10))
        shared = contents(bunshin.folder / 'shared.raw', 4 * MIB, 9)
        for name in ('one', 'two'):
            bunshin.ok('create', name, '--disk', 'none', '--attach', str(shared))
        # What is no disc of ISO 9660 goes into the record of a floppy drive.
        bunshin.ok('set', 'two', f'floppy={disc}')
        bunshin.ok('export', 'one', 'two', 'both.ova', '--discs')
        listed = tool('tar', 'tf', str(bunshin.folder / 'both.ova')).split()
        assert len([name for name in listed if name.endswith('.vmdk')]) == 1, listed
        assert len([name for name in listed if name.endswith('.iso')]) == 1, listed
        plan = json.loads(bunshin.ok('import', 'both.ova', '--dry-run', '--json'))
        assert [machine['name'] for machine in plan['machines']] == ['one 2', 'two 2'], plan
        bunshin.refused(2, ['import', 'both.ova', '--name', 'x'], '2 machines')
        assert len(bunshin.ok('import', 'both.ova').split()) == 2
        for name in ('one 2', 'two 2'):
            _, disks = settings(bunshin, name)
            bunshin.ok('disk', 'compare', disks['ide0'], str(shared))
        line = next(line for line in bunshin.ok('show', 'two 2').splitlines() if line.startswith('floppy0:'))
        assert pathlib.Path(line.split('floppy ', 1)[1].rsplit(' (', 1)[0]).read_bytes() == disc.read_bytes(), line


def foreign():
    """Disks as qemu-img writes them, in an OVA that is made by hand, and one that only differs from another."""
    with cli() as bunshin:
        raw = contents(bunshin.folder / 'foreign.raw', 8 * MIB, 3)
        files = []
        for name, form in (('a.vmdk', ['vmdk', '-o', 'subformat=streamOptimized']), ('b.vmdk', ['vmdk']),
                           ('c.vhd', ['vpc']), ('d.qcow2', ['qcow2'])):
            path = bunshin.folder / name
            tool('qemu-img', 'convert', '-f', 'raw', '-O', *form, str(raw), str(path))
            files.append((name, path.read_bytes()))
        text = appliance.description([(name, '') for name, _ in files])
        members = [('box.ovf', text), *files]
        path = appliance.archive(bunshin.folder / 'box.ova', [*members, ('box.mf', appliance.manifest(members, 'sha1'))])
        bunshin.ok('import', path)
        _, disks = settings(bunshin, 'box')
        assert sorted(disks) == ['ahci0', 'ahci1', 'ahci2', 'ahci3'], disks
        for image in disks.values():
            expected = raw
            if image == disks['ahci2']:
                # The geometry of a VHD may be a little larger.
                bunshin.ok('disk', 'convert', 'c.vhd', 'c.raw')
                expected = bunshin.folder / 'c.raw'
            bunshin.ok('disk', 'compare', image, str(expected))


def neighbours():
    """Machines of VirtualBox, VMware and Parallels in folders, their disks by their own formats."""
    with cli() as bunshin:
        raw = contents(bunshin.folder / 'n.raw', 6 * MIB, 5)
        folder = bunshin.folder / 'n.pvm'
        folder.mkdir()
        for name, form in (('n.vdi', 'vdi'), ('n.vmdk', 'vmdk'), ('n.hdd', 'parallels')):
            tool('qemu-img', 'convert', '-f', 'raw', '-O', form, str(raw), str(folder / name))
        (folder / 'n.vbox').write_text(
            '<VirtualBox><Machine name="vbox" OSType="Debian_64"><MediaRegistry><HardDisks><HardDisk uuid="{1}" '
            'location="n.vdi"/></HardDisks></MediaRegistry><Hardware><Memory RAMSize="64"/><StorageControllers>'
            '<StorageController name="SATA" type="AHCI"><AttachedDevice type="HardDisk" port="0" device="0">'
            '<Image uuid="{1}"/></AttachedDevice></StorageController></StorageControllers></Hardware></Machine></VirtualBox>')
        (folder / 'n.vmx').write_text('displayName = "vmx"\nmemsize = "64"\nguestOS = "debian12-64"\n'
                                      'sata0.present = "TRUE"\nsata0:0.present = "TRUE"\nsata0:0.fileName = "n.vmdk"\n')
        (folder / 'config.pvs').write_text(
            '<ParallelsVirtualMachine><Identification><VmName>pvs</VmName></Identification><Hardware><Memory><RAM>64</RAM>'
            '</Memory><Hdd><SystemName>/gone/n.hdd</SystemName><InterfaceType>2</InterfaceType><StackIndex>0</StackIndex>'
            '</Hdd></Hardware></ParallelsVirtualMachine>')
        for name, path in (('vbox', 'n.vbox'), ('vmx', 'n.vmx'), ('pvs', '.')):
            bunshin.ok('import', str(folder / path))
            _, disks = settings(bunshin, name)
            bunshin.ok('disk', 'compare', disks['ahci0'], str(raw))
        # The originals stay as they were.
        tool('qemu-img', 'compare', '-f', 'vdi', '-F', 'raw', str(folder / 'n.vdi'), str(raw))


TESTS = [(f'round-trip-{version}-{ending}-{algorithm}',
          lambda v=version, e=ending, a=algorithm: round_trip(v, e, a))
         for version, ending, algorithm in (('1.0', 'ova', 'sha256'), ('2.0', 'ova', 'sha1'), ('1.0', 'ovf', 'none'),
                                            ('2.0', 'ovf', 'sha256'))]

if __name__ == '__main__':
    tap.run(TESTS + [(f.__name__, f) for f in (several, foreign, neighbours)])
