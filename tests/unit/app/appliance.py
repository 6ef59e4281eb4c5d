# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliances made by hand, for the tests of import and export."""
import hashlib
import io
import pathlib
import tarfile

ENVELOPE = '''<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
<References>{files}</References><DiskSection><Info/>{disks}</DiskSection>
<VirtualSystem ovf:id="box"><Info/><Name>{name}</Name><VirtualHardwareSection><Info/>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:VirtualQuantity>64</rasd:VirtualQuantity></Item>
<Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>20</rasd:ResourceType>
<rasd:ResourceSubType>AHCI</rasd:ResourceSubType></Item>{items}
</VirtualHardwareSection></VirtualSystem></Envelope>
'''
DISK_ITEM = '''<Item><rasd:AddressOnParent>{unit}</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d{unit}</rasd:HostResource>
<rasd:InstanceID>1{unit}</rasd:InstanceID><rasd:Parent>2</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>'''


def description(files, name='box', capacity=0):
    """An OVF with one disk a file; a file is its href and further attributes of its element."""
    references = disks = items = ''
    for unit, (href, attributes) in enumerate(files):
        references += f'<File ovf:href="{href}" ovf:id="f{unit}" {attributes}/>'
        disks += f'<Disk ovf:diskId="d{unit}" ovf:fileRef="f{unit}" ovf:capacity="{capacity}"/>'
        items += DISK_ITEM.format(unit=unit)
    return ENVELOPE.format(files=references, disks=disks, items=items, name=name).encode()


def manifest(members, algorithm='sha256'):
    """The manifest of (name, bytes) pairs."""
    return ''.join(f'{algorithm.upper()}({name})= {hashlib.new(algorithm, data).hexdigest()}\n'
                   for name, data in members).encode()


def archive(path, members):
    """An OVA of (name, bytes) pairs, or of TarInfo objects where the name alone does not say it."""
    with tarfile.open(path, 'w', format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = info.size or len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(path)


def leftovers(home):
    """What is in the machines' folders: nothing may be there after an import that failed."""
    return [str(path) for path in (pathlib.Path(home) / 'machines').rglob('*')]
