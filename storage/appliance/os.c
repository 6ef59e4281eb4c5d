/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Operating systems: libosinfo's short ids and the words of others.
 * CIM_OperatingSystem.OSType (DMTF CIM schema 2.22 and later), VirtualBox's OSType
 * ids, VMware's guestOS identifiers, the versions of Parallels.
 */

#include "storage/appliance/appliance.h"

#include <string.h>

typedef struct
{
  const char *id; /* libosinfo's */
  unsigned cim;
  const char *vbox;   /* with “_64” where it exists: guests here are 64-bit where the system is */
  const char *vmware; /* as in appliances; .vmx files have the same words in another spelling */
} Os;

/* Of several rows with one foreign word the first is meant; an id finds the row with the longest beginning of it. */
static const Os systems[] = {
  { "win11", 120, "Windows11_64", "windows11_64Guest" },
  { "win10", 120, "Windows10_64", "windows9_64Guest" },
  { "win8.1", 118, "Windows81_64", "windows8_64Guest" },
  { "win8", 114, "Windows8_64", "windows8_64Guest" },
  { "win7", 105, "Windows7_64", "windows7_64Guest" },
  { "winvista", 74, "WindowsVista_64", "winVista64Guest" },
  { "winxp", 67, "WindowsXP", "winXPProGuest" },
  { "win2k22", 116, "Windows2022_64", "windows2019srvNext_64Guest" },
  { "win2k19", 116, "Windows2019_64", "windows2019srv_64Guest" },
  { "win2k16", 116, "Windows2016_64", "windows9Server64Guest" },
  { "win2k12r2", 115, "Windows2012_64", "windows8Server64Guest" },
  { "win2k12", 112, "Windows2012_64", "windows8Server64Guest" },
  { "win2k8r2", 103, "Windows2008_64", "windows7Server64Guest" },
  { "win2k8", 77, "Windows2008_64", "winLonghorn64Guest" },
  { "win2k3r2", 70, "Windows2003_64", "winNetEnterprise64Guest" },
  { "win2k3", 69, "Windows2003", "winNetEnterpriseGuest" },
  { "win2k", 58, "Windows2000", "win2000ProGuest" },
  { "winnt4.0", 18, "WindowsNT4", "winNTGuest" },
  { "winme", 63, "WindowsMe", "winMeGuest" },
  { "win98", 17, "Windows98", "win98Guest" },
  { "win95", 16, "Windows95", "win95Guest" },
  { "win3.1", 15, "Windows31", "win31Guest" },
  { "msdos6.22", 14, "DOS", "dosGuest" },
  { "freedos1.2", 14, "DOS", "dosGuest" },
  { "debian12", 96, "Debian12_64", "debian12_64Guest" },
  { "debian11", 96, "Debian11_64", "debian11_64Guest" },
  { "debian10", 96, "Debian10_64", "debian10_64Guest" },
  { "debian9", 96, "Debian9_64", "debian9_64Guest" },
  { "debian8", 96, "Debian8_64", "debian8_64Guest" },
  { "debian7", 96, "Debian7_64", "debian7_64Guest" },
  { "debian6", 96, "Debian6_64", "debian6_64Guest" },
  { "debian12", 96, "Debian_64", "debian12_64Guest" },
  { "debian12", 95, "Debian", "debianGuest" },
  { "debian", 96, "Debian_64", "debian12_64Guest" },
  { "ubuntu22.04", 94, "Ubuntu22_LTS_64", "ubuntu_64Guest" },
  { "ubuntu20.04", 94, "Ubuntu20_LTS_64", "ubuntu_64Guest" },
  { "ubuntu18.04", 94, "Ubuntu18_LTS_64", "ubuntu_64Guest" },
  { "ubuntu16.04", 94, "Ubuntu16_LTS_64", "ubuntu_64Guest" },
  { "ubuntu14.04", 94, "Ubuntu14_LTS_64", "ubuntu_64Guest" },
  { "ubuntu22.04", 94, "Ubuntu_64", "ubuntu_64Guest" },
  { "ubuntu22.04", 93, "Ubuntu", "ubuntuGuest" },
  { "ubuntu", 94, "Ubuntu_64", "ubuntu_64Guest" },
  { "rhel9.0", 80, "RedHat9_64", "rhel9_64Guest" },
  { "rhel8.0", 80, "RedHat8_64", "rhel8_64Guest" },
  { "rhel7.0", 80, "RedHat7_64", "rhel7_64Guest" },
  { "rhel6.0", 80, "RedHat6_64", "rhel6_64Guest" },
  { "rhel5.0", 80, "RedHat5_64", "rhel5_64Guest" },
  { "rhel9.0", 80, "RedHat_64", "rhel9_64Guest" },
  { "rhel6.0", 79, "RedHat", "rhel6Guest" },
  { "rhel", 80, "RedHat_64", "rhel9_64Guest" },
  { "centos-stream9", 107, "RedHat9_64", "centos9_64Guest" },
  { "centos-stream8", 107, "RedHat8_64", "centos8_64Guest" },
  { "centos8", 107, "RedHat8_64", "centos8_64Guest" },
  { "centos7.0", 107, "RedHat7_64", "centos7_64Guest" },
  { "centos6.0", 107, "RedHat6_64", "centos6_64Guest" },
  { "centos6.0", 106, "RedHat6", "centos6Guest" },
  { "centos", 107, "RedHat_64", "centos7_64Guest" },
  { "rocky9", 101, "RedHat9_64", "rockylinux_64Guest" },
  { "rocky8", 101, "RedHat8_64", "rockylinux_64Guest" },
  { "almalinux9", 101, "RedHat9_64", "almalinux_64Guest" },
  { "almalinux8", 101, "RedHat8_64", "almalinux_64Guest" },
  { "ol8.0", 109, "Oracle8_64", "oracleLinux8_64Guest" },
  { "ol7.0", 109, "Oracle7_64", "oracleLinux7_64Guest" },
  { "ol6.0", 109, "Oracle_64", "oracleLinux6_64Guest" },
  { "ol6.0", 108, "Oracle", "oracleLinux6Guest" },
  { "ol8.0", 109, "Oracle_64", "oracleLinux_64Guest" },
  { "fedora37", 101, "Fedora_64", "fedora_64Guest" },
  { "fedora37", 36, "Fedora", "fedoraGuest" },
  { "fedora", 101, "Fedora_64", "fedora_64Guest" },
  { "sle15", 85, "SUSE_LE_64", "sles15_64Guest" },
  { "sles12", 85, "SUSE_LE_64", "sles12_64Guest" },
  { "sles11", 85, "SUSE_LE_64", "sles11_64Guest" },
  { "sles11", 84, "SUSE_LE", "sles11Guest" },
  { "opensuse15.4", 83, "OpenSUSE_Leap_64", "opensuse_64Guest" },
  { "opensusetumbleweed", 83, "OpenSUSE_Tumbleweed_64", "opensuse_64Guest" },
  { "opensuse15.4", 83, "OpenSUSE_64", "opensuse_64Guest" },
  { "opensuse13.2", 82, "OpenSUSE", "opensuseGuest" },
  { "opensuse", 83, "OpenSUSE_64", "opensuse_64Guest" },
  { "mandriva2011", 90, "Mandriva_64", "mandriva_64Guest" },
  { "mandriva2011", 89, "Mandriva", "mandrivaGuest" },
  { "mageia8", 101, "Mageia_64", "mandriva_64Guest" },
  { "archlinux", 101, "ArchLinux_64", "other5xLinux_64Guest" },
  { "gentoo", 101, "Gentoo_64", "other5xLinux_64Guest" },
  { "linux2022", 101, "Linux_64", "other6xLinux_64Guest" },
  { "linux2020", 101, "Linux_64", "other5xLinux_64Guest" },
  { "linux2018", 101, "Linux_64", "other4xLinux_64Guest" },
  { "linux2016", 100, "Linux26_64", "other3xLinux_64Guest" },
  { "linux2016", 99, "Linux26", "other26xLinuxGuest" },
  { "linux2016", 98, "Linux24_64", "other24xLinux_64Guest" },
  { "linux2016", 97, "Linux24", "other24xLinuxGuest" },
  { "linux2022", 101, "Linux_64", "otherLinux_64Guest" },
  { "linux2022", 36, "Linux", "otherLinuxGuest" },
  { "freebsd13.1", 78, "FreeBSD_64", "freebsd13_64Guest" },
  { "freebsd12.3", 78, "FreeBSD_64", "freebsd12_64Guest" },
  { "freebsd11.4", 78, "FreeBSD_64", "freebsd11_64Guest" },
  { "freebsd13.1", 78, "FreeBSD_64", "freebsd_64Guest" },
  { "freebsd13.1", 42, "FreeBSD", "freebsdGuest" },
  { "freebsd", 78, "FreeBSD_64", "freebsd_64Guest" },
  { "openbsd7.0", 65, "OpenBSD_64", "otherGuest64" },
  { "openbsd", 65, "OpenBSD_64", "otherGuest64" },
  { "netbsd9.0", 43, "NetBSD_64", "otherGuest64" },
  { "netbsd", 43, "NetBSD_64", "otherGuest64" },
  { "solaris11", 81, "Solaris11_64", "solaris11_64Guest" },
  { "solaris10", 81, "Solaris_64", "solaris10_64Guest" },
  { "solaris10", 29, "Solaris", "solaris10Guest" },
  { "haikur1beta3", 53, "Haiku_64", "otherGuest64" },
};

/* What is said of one that is none of these. */
#define OTHER_CIM    1
#define OTHER_VBOX   "Other_64"
#define OTHER_VMWARE "otherGuest64"

const char *
appliance_os_from_cim (unsigned cim)
{
  static const struct
  {
    unsigned cim;
    const char *id;
  } more[] = { { 71, "winxp" }, { 73, "winvista" }, { 76, "win2k8" }, { 111, "win2k8r2" },
               { 113, "win8" }, { 117, "win8.1" },  { 119, "win10" }, { 120, "win10" } };

  for (unsigned i = 0; i < G_N_ELEMENTS (more); i++)
    if (more[i].cim == cim)
      return more[i].id;
  for (unsigned i = 0; cim > OTHER_CIM && i < G_N_ELEMENTS (systems); i++)
    if (systems[i].cim == cim)
      return systems[i].id;
  return NULL;
}

static const char *
find_vbox (const char *type)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (systems); i++)
    if (g_ascii_strcasecmp (systems[i].vbox, type) == 0)
      return systems[i].id;
  return NULL;
}

const char *
appliance_os_from_vbox (const char *type)
{
  g_autofree char *wide = g_str_has_suffix (type, "_64") ? NULL : g_strconcat (type, "_64", NULL);
  const char *found = find_vbox (type);

  return found == NULL && wide != NULL ? find_vbox (wide) : found;
}

/* “debian12_64Guest” in appliances, “debian12-64” in .vmx files: small letters and digits are what counts. */
static char *
vmware_core (const char *type)
{
  g_autofree char *lower = g_ascii_strdown (type, -1);
  GString *core = g_string_new (NULL);

  for (const char *p = lower; *p != '\0'; p++)
    if (g_ascii_isalnum (*p))
      g_string_append_c (core, *p);
  if (g_str_has_suffix (core->str, "guest"))
    g_string_truncate (core, core->len - strlen ("guest"));
  return g_string_free (core, FALSE);
}

const char *
appliance_os_from_vmware (const char *type)
{
  static const struct
  {
    const char *word, *id;
  } more[] = { { "windows8srv64", "win2k12" },   { "windows9srv64", "win2k16" }, { "windows7srv64", "win2k8r2" },
               { "longhorn64", "win2k8" },       { "winxppro64", "winxp" },      { "winxphome", "winxp" },
               { "winnetstandard", "win2k3" },   { "winnetweb", "win2k3" },      { "winnetbusiness", "win2k3" },
               { "winnetstandard64", "win2k3" }, { "longhorn", "win2k8" },       { "winvista", "winvista" },
               { "windows7", "win7" },           { "windows8", "win8" },         { "windows9", "win10" },
               { "win2000serv", "win2k" },       { "win2000advserv", "win2k" },  { "sles64", "sles11" },
               { "sles12", "sles12" },           { "centos64", "centos7.0" },    { "centos", "centos7.0" },
               { "redhat", "rhel6.0" },          { "debian564", "debian6" } };
  g_autofree char *core = vmware_core (type);

  for (unsigned i = 0; i < G_N_ELEMENTS (more); i++)
    if (strcmp (more[i].word, core) == 0)
      return more[i].id;
  for (unsigned pass = 0; pass < 2; pass++)
    for (unsigned i = 0; i < G_N_ELEMENTS (systems); i++)
      {
        g_autofree char *other = vmware_core (systems[i].vmware);

        /* “otherGuest64” is any system at all. */
        if (g_str_has_prefix (other, "otherguest"))
          continue;
        if (pass == 1 && g_str_has_suffix (other, "64"))
          other[strlen (other) - 2] = '\0';
        if (strcmp (other, core) == 0)
          return systems[i].id;
      }
  return NULL;
}

const char *
appliance_os_from_parallels (unsigned type, unsigned number)
{
  static const struct
  {
    unsigned number;
    const char *id;
  } known[] = { { 0x802, "win95" },    { 0x803, "win98" },      { 0x804, "winme" },   { 0x805, "winnt4.0" },
                { 0x806, "win2k" },    { 0x807, "winxp" },      { 0x808, "win2k3" },  { 0x809, "winvista" },
                { 0x80a, "win2k8" },   { 0x80b, "win7" },       { 0x80c, "win8" },    { 0x80d, "win2k12" },
                { 0x80e, "win8.1" },   { 0x80f, "win10" },      { 0x810, "win2k16" }, { 0x906, "debian12" },
                { 0x907, "fedora37" }, { 0x909, "ubuntu22.04" } };

  for (unsigned i = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i].number == number)
      return known[i].id;
  /* The type alone: 9 is Linux. */
  return type == 9 ? "linux2022" : NULL;
}

void
appliance_os_to_others (const char *os_id, unsigned *cim, const char **vbox, const char **vmware)
{
  const Os *best = NULL;
  size_t longest = 0;

  for (unsigned i = 0; os_id != NULL && i < G_N_ELEMENTS (systems); i++)
    {
      size_t length = strlen (systems[i].id);

      /* “rhel9.1” is nearest to “rhel9.0”. */
      if (g_str_has_suffix (systems[i].id, ".0"))
        length -= 2;
      if (length > longest && strncmp (systems[i].id, os_id, length) == 0)
        {
          best = &systems[i];
          longest = length;
        }
    }
  *cim = best != NULL ? best->cim : OTHER_CIM;
  *vbox = best != NULL ? best->vbox : OTHER_VBOX;
  *vmware = best != NULL ? best->vmware : OTHER_VMWARE;
}
