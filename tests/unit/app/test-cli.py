#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line on machines that do not run: what it makes, prints and refuses."""
import json
import os
import pathlib
import re
import shutil
import subprocess

from cli import BUNSHIN, cli, tap


def create_and_show():
    with cli() as bunshin:
        iso = bunshin.file('a b.iso')
        uuid = bunshin.ok('create', 'Debian 12', '--os', 'debian12', '--memory', '256M', '--disk', '64M', '--iso', 'a b.iso',
                          '--nic', 'nat:host-access', '--nic', 'none', '--nic', 'nat', '--accel', 'interp').strip()
        shown = json.loads(bunshin.ok('show', 'Debian 12', '--json'))
        assert shown['uuid'] == uuid and shown['name'] == 'Debian 12' and shown['state'] == 'powered-off', shown
        assert shown['memory'] == 256 << 20 and shown['cpus'] == 2 and shown['os'] == 'debian12' and shown['clock'] == 'utc', shown
        drives = {drive['slot']: drive for drive in shown['drives']}
        assert drives['ide2']['kind'] == 'cdrom' and drives['ide2']['path'] == iso, drives
        assert drives['virtio0']['kind'] == 'disk' and drives['virtio0']['format'] == 'vdi', drives
        disk = pathlib.Path(drives['virtio0']['path'])
        assert disk.exists() and bunshin.home in disk.parents and disk.name == 'Debian 12.vdi', disk
        assert [adapter['nic'] for adapter in shown['adapters']] == [1, 3], shown['adapters']
        assert shown['adapters'][0]['param'] == 'host-access'
        assert len({adapter['mac'] for adapter in shown['adapters']}) == 2
        text = bunshin.ok('show', uuid)
        assert 'name: Debian 12\n' in text and 'memory: 256M\n' in text, text
        bunshin.forgive_leaks()
        windows = json.loads(bunshin.ok('show', bunshin.ok('create', 'w', '--os', 'win10', '--disk', 'none').strip(), '--json'))
        assert windows['clock'] == 'local', windows


def create_controller():
    """Without --controller the one that the system wants, as in the wizard; and IDE where nothing is known of it."""
    with cli() as bunshin:
        def slots(*words):
            uuid = bunshin.ok('create', 'a', '--disk', '1M', *words).strip()
            drives = json.loads(bunshin.ok('show', uuid, '--json'))['drives']
            bunshin.ok('delete', uuid)
            return sorted((drive['slot'], drive['kind']) for drive in drives)
        bunshin.forgive_leaks()
        ide = [('ide0', 'disk'), ('ide2', 'cdrom')]
        assert slots() == ide
        assert slots('--os', 'debian12') == [('ide2', 'cdrom'), ('virtio0', 'disk')]
        assert slots('--os', 'win10') == [('ahci0', 'disk'), ('ahci1', 'cdrom')]
        assert slots('--os', 'winxp') == ide
        assert slots('--os', 'nobody-knows-it') == ide
        assert slots('--os', 'debian12', '--controller', 'ide') == ide
        assert slots('--os', 'win10', '--controller', 'nvme') == [('ide2', 'cdrom'), ('nvme0', 'disk')]
        bunshin.file('more.img')
        assert slots('--os', 'debian12', '--attach', 'more.img') == [('ide2', 'cdrom'), ('virtio0', 'disk'), ('virtio1', 'disk')]


def list_machines():
    with cli() as bunshin:
        assert bunshin.ok('list') == '' and json.loads(bunshin.ok('list', '--json')) == []
        for name in ('b', '🥷 影分身', 'A'):
            bunshin.ok('create', name, '--disk', 'none', '--memory', '64M')
        lines = bunshin.ok('list').splitlines()
        listed = json.loads(bunshin.ok('list', '--json'))
        fields = [line.rsplit(maxsplit=3) for line in lines]
        assert fields == [[machine['name'], machine['uuid'], 'powered-off', '64M'] for machine in listed], lines
        assert [machine['name'] for machine in listed] == ['A', 'b', '🥷 影分身'], listed
        assert listed[0]['name'] == 'A' and listed[0]['memory'] == 64 << 20 and listed[0]['state'] == 'powered-off'


def create_refused():
    with cli() as bunshin:
        def check(status, words, *expected):
            bunshin.refused(status, ['create', *words], *expected)
        check(2, [])
        check(2, ['a', 'b'], 'b')
        check(2, ['a', '--colour', 'red'], 'colour')
        check(2, ['a', '--memory', '12Q'], '12Q')
        check(2, ['a', '--memory'], 'memory')
        check(2, ['a', '--disk', 'big'], 'big')
        check(2, ['a', '--disk', '0'], '0')
        check(2, ['a', '--disk-format', 'zip'], 'zip')
        check(2, ['a', '--disk-variant', 'thick'], 'thick')
        check(2, ['a', '--controller', 'sas'], 'sas')
        check(2, ['a', '--nic', 'bridged:eth0'], 'bridged:eth0')
        check(2, ['a', '--nic', 'nat'] + ['--nic', 'nat'] * 8, '8')
        check(2, ['a', '--cpus', '0'], 'cpus')
        check(1, ['a', '--memory', '900T'], 'memory', 'MiB')
        check(1, ['a', '--memory', '1M'], 'memory')
        check(1, ['a', '--accel', 'warp'], 'warp')
        check(1, ['a', '--firmware', 'coreboot'], 'coreboot')
        check(1, ['a', '--cpu-model', 'abacus'], 'abacus', 'x86-64-v2')
        check(1, ['a', '--nic-model', 'token-ring'], 'token-ring')
        check(1, [''], 'name')
        check(1, ['n' * 256], 'name')
        check(1, ['two\nlines'], 'name')
        check(1, [' a'], 'name')
        check(1, ['a', '--iso', '/nowhere/a.iso'], '/nowhere/a.iso', 'No such file')
        check(1, ['a', '--iso', '.'], 'directory')
        check(1, ['a', '--attach', '/nowhere/a.vdi'], '/nowhere/a.vdi', 'No such file')
        (bunshin.folder / 'page.iso').write_bytes(b'<html>Not found</html>')
        check(1, ['a', '--iso', 'page.iso'], 'page.iso', 'not the image of a CD')
        bunshin.file('empty.iso', 0)
        check(1, ['a', '--iso', 'empty.iso'], 'empty.iso', 'empty')
        with open(bunshin.file('half.iso'), 'r+b') as half:
            half.seek(16 * 2048)
            half.write(b'\1CD001\1'.ljust(80, b'\0') + (1000).to_bytes(48, 'little') + (2048).to_bytes(2, 'little'))
        check(1, ['a', '--iso', 'half.iso'], 'half.iso', 'damaged', '1048576 of the 2048000 bytes')
        os.mkfifo(bunshin.folder / 'pipe')
        check(1, ['a', '--iso', 'pipe'], 'pipe', 'not a file')
        check(1, ['a', '--attach', 'pipe'], 'pipe', 'not a file')
        assert not bunshin.home.exists() or not list(bunshin.home.rglob('*.vdi'))
        bunshin.ok('create', 'a', '--disk', 'none')
        check(1, ['a', '--disk', '16M'], 'a', 'already')
        assert not list(bunshin.home.rglob('*.vdi')) and len(bunshin.ok('list').splitlines()) == 1


def folder_refused():
    with cli() as bunshin:
        blocked = bunshin.file('blocked', 0)
        bunshin.environment['BUNSHIN_HOME'] = blocked + '/home'
        bunshin.refused(1, ['list'], blocked)
        bunshin.refused(1, ['create', 'a'], blocked)


def folder_read_only():
    """Everything is refused with the cause; and what was there is still there."""
    with cli() as bunshin:
        bunshin.ok('create', 'a', '--disk', '16M')
        before = {path: path.read_bytes() for path in bunshin.home.rglob('*') if path.is_file()}
        command = [BUNSHIN]
        if os.geteuid() == 0:
            # Rights do not bind root; a mount of its own does.
            command = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && '
                       'exec "$@"', 'sh', str(bunshin.home), BUNSHIN]
            if subprocess.run([*command[:-1], 'true'], capture_output=True).returncode != 0:
                raise tap.Skip('mounts are not to be had')
        else:
            bunshin.home.chmod(0o500)
        for words in (['list'], ['create', 'b'], ['set', 'a', 'memory=128M'], ['start', 'a', '--headless'], ['delete', 'a']):
            result = subprocess.run([*command, *words], env=bunshin.environment, capture_output=True, text=True, timeout=60)
            assert result.returncode == 1 and len(result.stderr.splitlines()) == 1, (words, result)
            assert str(bunshin.home) in result.stderr and 'cannot be written to' in result.stderr, (words, result)
        bunshin.home.chmod(0o700)
        assert before == {path: path.read_bytes() for path in bunshin.home.rglob('*') if path.is_file()}
        assert bunshin.ok('list').split()[0] == 'a'


def set_machine():
    with cli() as bunshin:
        bunshin.ok('create', 'a', '--disk', '1M', '--controller', 'ahci')
        drives = [(drive['slot'], drive['kind']) for drive in json.loads(bunshin.ok('show', 'a', '--json'))['drives']]
        assert drives == [('ahci0', 'disk'), ('ahci1', 'cdrom')], drives
        bunshin.ok('set', 'a', 'ahci0=none', 'ahci1=none', 'ide2=cdrom')
        iso = bunshin.file('c.iso')
        bunshin.ok('set', 'a', 'name=b', 'memory=128M', 'boot=cdrom,disk', 'clock=local', 'iso=c.iso', 'nic1=none',
                   'nic2=nat', 'nic2-mac=02:00:00:00:00:01', 'nic2-cable=off', 'description=x=y')
        shown = json.loads(bunshin.ok('show', 'b', '--json'))
        assert (shown['memory'], shown['boot'], shown['clock']) == (128 << 20, 'cdrom,disk', 'local'), shown
        assert shown['description'] == 'x=y' and shown['drives'][0]['path'] == iso, shown
        assert len(shown['adapters']) == 1 and shown['adapters'][0]['mac'] == '02:00:00:00:00:01', shown
        assert shown['adapters'][0]['cable'] is False, shown
        bunshin.ok('set', 'b', 'iso=none')
        assert json.loads(bunshin.ok('show', 'b', '--json'))['drives'][0]['path'] is None

        bunshin.refused(2, ['set', 'b'])
        bunshin.refused(2, ['set', 'b', 'memory'], 'memory')
        bunshin.refused(2, ['set', 'b', 'colour=red'], 'colour')
        bunshin.refused(1, ['set', 'b', 'memory=900T'], 'memory')
        bunshin.refused(1, ['set', 'b', 'iso=/nowhere'], '/nowhere')
        bunshin.refused(1, ['set', 'b', 'cpu-model=abacus'], 'abacus', 'x86-64-v2')
        bunshin.refused(1, ['set', 'b', 'boot=tape'], 'tape')
        bunshin.refused(1, ['set', 'nobody', 'memory=64M'], 'nobody')
        # All or nothing.
        bunshin.refused(2, ['set', 'b', 'memory=64M', 'colour=red'], 'colour')
        assert json.loads(bunshin.ok('show', 'b', '--json'))['memory'] == 128 << 20
        bunshin.ok('create', 'c', '--disk', 'none')
        bunshin.refused(1, ['set', 'c', 'name=b'], 'b', 'already')
        bunshin.refused(1, ['set', 'c', 'nic1-mac=02:00:00:00:00:01'], '02:00:00:00:00:01')


def delete_machine():
    with cli() as bunshin:
        outside = bunshin.file('outside.img')
        bunshin.ok('create', 'a', '--disk', '16M', '--attach', outside)
        own = next(bunshin.home.rglob('*.vdi'))
        bunshin.ok('delete', 'a')
        assert not own.exists() and not own.parent.exists() and os.path.exists(outside)
        bunshin.refused(1, ['delete', 'a'], 'a')
        bunshin.ok('create', 'a', '--disk', '16M')
        own = next(bunshin.home.rglob('*.vdi'))
        bunshin.ok('delete', 'a', '--keep-disks')
        assert own.exists() and bunshin.ok('list') == ''


def powered_off():
    with cli() as bunshin:
        bunshin.ok('create', 'a', '--disk', 'none')
        for words in (['pause', 'a'], ['resume', 'a'], ['reset', 'a'], ['power-button', 'a'], ['power-off', 'a'],
                      ['screenshot', 'a', 's.png'], ['type', 'a', 'x'], ['key', 'a', 'f1'], ['mouse', 'a', '1', '1'],
                      ['info', 'a']):
            bunshin.refused(1, words, 'a', 'powered off')
            bunshin.refused(1, [words[0], 'nobody', *words[2:]], 'nobody')
        assert not (bunshin.folder / 's.png').exists()
        bunshin.ok('wait', 'a', '--state', 'powered-off')
        bunshin.refused(1, ['wait', 'a', '--state', 'running', '--timeout', '0'], 'powered-off', 'running')
        bunshin.refused(2, ['wait', 'a'], 'state')
        bunshin.refused(2, ['wait', 'a', '--state', 'happy'], 'happy')
        bunshin.refused(2, ['screenshot', 'a', 's.bmp'], 's.bmp')
        bunshin.refused(2, ['type', 'a', 'é'], 'U+00E9')
        bunshin.refused(2, ['key', 'a', 'hyper-x'], 'hyper')
        bunshin.refused(2, ['mouse', 'a', 'x', '1'], 'x')
        bunshin.refused(2, ['mouse', 'a', '1', '1', 'tickle'], 'tickle')


def forwards():
    with cli() as bunshin:
        bunshin.ok('create', 'a', '--disk', 'none', '--nic', 'nat', '--nic', 'nat')
        bunshin.ok('forward', 'a', 'add', 'tcp:2222:22')
        bunshin.ok('forward', 'a', 'add', 'udp:0.0.0.0:53:53', '--nic', '2')
        assert bunshin.ok('forward', 'a', 'list').splitlines() == ['nic1  tcp:2222:22', 'nic2  udp:0.0.0.0:53:53']
        bunshin.refused(1, ['forward', 'a', 'add', 'tcp:2222:80'], 'tcp:2222:80', 'already')
        bunshin.refused(1, ['forward', 'a', 'remove', 'tcp:2223:22'], 'tcp:2223:22')
        bunshin.refused(1, ['forward', 'a', 'add', 'tcp:22'], 'tcp:22')
        bunshin.refused(1, ['forward', 'a', 'add', 'tcp:1:1', '--nic', '3'], '3')
        bunshin.refused(2, ['forward', 'a', 'add'])
        bunshin.refused(2, ['forward', 'a', 'lose', 'tcp:1:1'])
        bunshin.ok('forward', 'a', 'remove', 'tcp:2222:22')
        assert bunshin.ok('forward', 'a', 'list').splitlines() == ['nic2  udp:0.0.0.0:53:53']
        bunshin.ok('create', 'none', '--disk', 'none', '--nic', 'none')
        bunshin.refused(1, ['forward', 'none', 'add', 'tcp:1:1'], 'NAT')


def disks():
    with cli() as bunshin:
        bunshin.ok('disk', 'create', 'd.vdi', '--size', '64M')
        info = json.loads(bunshin.ok('disk', 'info', 'd.vdi', '--json'))
        assert info['format'] == 'vdi' and info['size'] == 64 << 20 and info['allocated'] < 8 << 20, info
        bunshin.ok('disk', 'create', 'f.vdi', '--size', '8M', '--variant', 'fixed')
        info = json.loads(bunshin.ok('disk', 'info', 'f.vdi', '--json'))
        assert info['size'] == 8 << 20 and info['file-size'] >= 8 << 20 and info['variant'] == 'fixed', info
        bunshin.ok('disk', 'create', 'f.img', '--size', '8M', '--format', 'raw', '--variant', 'fixed')
        info = json.loads(bunshin.ok('disk', 'info', 'f.img', '--json'))
        assert (info['format'], info['variant'], info['file-size']) == ('raw', 'fixed', 8 << 20), info
        bunshin.ok('disk', 'create', 'r.img', '--size', '8M')
        info = bunshin.ok('disk', 'info', 'r.img')
        assert 'format: raw\nvariant: dynamic\nsize: 8M\n' in info, info
        bunshin.refused(1, ['disk', 'create', 'd.vdi', '--size', '64M'], 'd.vdi', 'exists')
        bunshin.refused(1, ['disk', 'create', '/nowhere/d.vdi', '--size', '64M'], '/nowhere/d.vdi')
        bunshin.refused(1, ['disk', 'info', 'nothing.vdi'], 'nothing.vdi', 'No such file')
        bunshin.refused(2, ['disk', 'create', 'e.vdi'], 'size')
        bunshin.refused(2, ['disk', 'create', 'e.vdi', '--size', 'x'], 'x')
        bunshin.refused(2, ['disk', 'create', 'e.vdi', '--size', '1M', '--format', 'zip'], 'zip')
        bunshin.refused(2, ['disk', 'crush', 'd.vdi'])
        bunshin.refused(2, ['disk'])


def run_refused():
    with cli() as bunshin:
        bunshin.refused(1, ['run', '--headless', '--iso', '/nowhere/a.iso'], '/nowhere/a.iso', 'No such file')
        bunshin.refused(1, ['run', '--headless', '--kernel', '/nowhere/linux'], '/nowhere/linux', 'No such file')
        bunshin.refused(2, ['run', '--headless', '--append', 'x'], 'kernel')
        bunshin.refused(2, ['run', '--headless', '--type', 'x'], 'SECONDS')
        bunshin.refused(2, ['run', '--headless', '--type', 'x@soon'], 'soon')
        bunshin.refused(2, ['run', '--headless', '--screenshot', 's.gif'], 's.gif')
        bunshin.refused(2, ['run', '--headless', '--timeout', '0'], 'timeout')
        bunshin.refused(2, ['run', 'word'], 'word')
        bunshin.refused(1, ['run', '--headless', '--memory', '900T'], 'memory')
        bunshin.refused(1, ['run'], 'display')
        assert not bunshin.home.exists()


def help_texts():
    with cli() as bunshin:
        listed = bunshin.ok('help')
        verbs = [line.split()[0] for line in listed.splitlines() if line.startswith('  ')]
        assert {'create', 'run', 'disk', 'forward', 'help'} <= set(verbs), verbs
        told = set()
        for verb in verbs:
            text = bunshin.ok('help', verb)
            assert text.startswith(f'bunshin {verb}') and f'\n  bunshin {verb}' in text, text
            assert bunshin.ok(verb, '--help') == text
            usage, details = text.split('\n\n', 1)
            told |= (options := set(re.findall(r'--[a-z-]+', usage)))
            assert options <= set(re.findall(r'--[a-z-]+', details)), (verb, options - set(re.findall(r'--[a-z-]+', details)))
        # What the program takes, help tells of; “records” is between its own parts.
        sources = pathlib.Path(__file__).resolve().parents[3] / 'app'
        taken = {f'--{name}' for path in sources.glob('cli-*.c')
                 for name in re.findall(r'\{ "([a-z-]+)", OPTION_', path.read_text())}
        assert len(taken) > 50 and taken - {'--records'} == told, taken ^ told
        assert bunshin.ok('--help') == listed
        bunshin.refused(2, ['help', 'frobnicate'], 'frobnicate')
        bunshin.refused(2, ['frobnicate'], 'frobnicate')
        bunshin.refused(1, [], 'display')


def completion():
    """Every verb and option that completion offers is one that the program takes, and the other way round."""
    script = pathlib.Path(__file__).resolve().parents[3] / 'data' / 'bash-completion' / 'bunshin'
    if not shutil.which('bash'):
        raise tap.Skip('there is no bash')

    def complete(*words):
        line = ' '.join(f"'{word}'" for word in words)
        result = subprocess.run(['bash', '-c', f'compopt () {{ :; }}; . "{script}"; COMP_WORDS=({line}); '
                                 f'COMP_CWORD={len(words) - 1}; _bunshin; printf "%s\\n" "${{COMPREPLY[@]}}"'],
                                capture_output=True, text=True, env=dict(bunshin.environment, PATH=path), cwd=bunshin.folder)
        return set(result.stdout.split())

    with cli() as bunshin:
        path = f'{pathlib.Path(BUNSHIN).parent}:{os.environ["PATH"]}'
        verbs = {line.split()[0] for line in bunshin.ok('help').splitlines() if line.startswith('  ')}
        assert complete('bunshin', '') == verbs, complete('bunshin', '') ^ verbs
        for verb in verbs:
            usage = bunshin.ok('help', verb).split('\n\n')[0]
            options = {word.strip('[].').split('|')[0] for word in usage.split() if word.strip('[]').startswith('--')}
            assert complete('bunshin', verb, '-') == options, (verb, complete('bunshin', verb, '-') ^ options)
        bunshin.ok('create', 'alpha', '--disk', 'none')
        assert complete('bunshin', 'show', 'a') == {'alpha'}
        assert complete('bunshin', 'set', 'a') == {'alpha'}
        keys = complete('bunshin', 'set', 'alpha', '')
        assert {'memory=', 'auto-snapshots-keep=', 'ahci29-trust=', 'nic8-cable='} <= keys, keys
        assert complete('bunshin', 'set', 'alpha', 'scsi15') == {'scsi15=', 'scsi15-cache=', 'scsi15-trust='}
        for key in sorted(key for key in keys if not re.search(r'[0-9]', key) or re.match('ahci0|nic8', key)):
            result = bunshin.run('set', 'alpha', f'{key}\x01')
            assert result.returncode != 0 and 'no setting' not in result.stderr or key in (
                'description=', 'os='), (key, result)
        bunshin.refused(2, ['set', 'alpha', 'ide4=none'], 'no setting')
        (bunshin.folder / 'a.iso').touch()
        assert 'a.iso' in complete('bunshin', 'set', 'alpha', 'iso', '=', 'a')
        bunshin.ok('snapshot', 'take', 'alpha', 'first')
        for words in (['snapshot', 'changes', 'alpha'], ['snapshot', 'changes', 'alpha', 'first'], ['snapshot', 'restore', 'alpha'],
                      ['start', 'alpha', '--snapshot'], ['clone', 'alpha', 'x', '--snapshot']):
            assert complete('bunshin', *words, 'f') == {'first'}, words
        assert complete('bunshin', 'drive', 'alpha', '') == {'discard', 'keep', 'keep-as'}


def newer_schema():
    with cli() as bunshin:
        if not shutil.which('sqlite3'):
            raise tap.Skip('there is no sqlite3')
        bunshin.ok('create', 'a', '--disk', 'none')
        subprocess.run(['sqlite3', bunshin.home / 'bunshin.db', 'PRAGMA user_version = 99'], check=True)
        bunshin.refused(1, ['list'], 'bunshin.db', '99', 'newer')


if __name__ == '__main__':
    tap.run([(function.__name__.replace('_', '-'), function) for function in (
        create_and_show, create_controller, list_machines, create_refused, folder_refused, folder_read_only, set_machine, delete_machine, powered_off, forwards,
        disks, run_refused, help_texts, completion, newer_schema)])
