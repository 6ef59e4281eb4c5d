/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The letter and the colour that stand for an operating system. */

#include "ui/os-emblem-style.h"

static const char *const styles[][2] = {
  { "debian", "debian" },     { "ubuntu", "ubuntu" },     { "fedora", "fedora" },   { "rhel", "redhat" },
  { "centos", "redhat" },     { "rocky", "redhat" },      { "alma", "redhat" },     { "opensuse", "suse" },
  { "sle", "suse" },          { "win", "windows" },       { "msdos", "dos" },       { "freedos", "dos" },
  { "freebsd", "bsd" },       { "openbsd", "bsd" },       { "netbsd", "bsd" },      { "dragonfly", "bsd" },
  { "arch", "arch" },         { "alpine", "arch" },       { "gentoo", "gentoo" },   { "nixos", "arch" },
  { "haiku", "suse" },        { "linux", "linux" },
};

const char *
os_emblem_style (const char *os_id, char letter[8])
{
  letter[0] = '\0';
  if (os_id == NULL || g_str_equal (os_id, "unknown"))
    return "unknown";
  letter[g_unichar_to_utf8 (g_unichar_toupper (g_utf8_get_char (os_id)), letter)] = '\0';
  for (gsize i = 0; i < G_N_ELEMENTS (styles); i++)
    if (g_str_has_prefix (os_id, styles[i][0]))
      return styles[i][1];
  return "linux";
}
