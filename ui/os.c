/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An operating system that can be chosen. */

#include "ui/os.h"

#include <glib/gi18n.h>
#include <string.h>

struct _BunshinOs
{
  GObject parent_instance;

  char *id, *name, *family;
  char *haystack;               /* casefolded, what a search looks in */
  char *sort_key;
  OsGroup group;
  OsFacts facts;
};

G_DEFINE_FINAL_TYPE (BunshinOs, bunshin_os, G_TYPE_OBJECT)

static const struct
{
  const char *distribution;
  OsGroup group;
} distributions[] = {
  { "debian", OS_GROUP_DEBIAN },      { "ubuntu", OS_GROUP_UBUNTU },  { "fedora", OS_GROUP_FEDORA },
  { "rhel", OS_GROUP_REDHAT },        { "centos", OS_GROUP_REDHAT },  { "rhl", OS_GROUP_REDHAT },
  { "ol", OS_GROUP_REDHAT },          { "rocky", OS_GROUP_REDHAT },   { "almalinux", OS_GROUP_REDHAT },
  { "circle", OS_GROUP_REDHAT },      { "oel", OS_GROUP_REDHAT },     { "scientificlinux", OS_GROUP_REDHAT },
  { "opensuse", OS_GROUP_SUSE },      { "sle", OS_GROUP_SUSE },       { "sles", OS_GROUP_SUSE },
  { "sled", OS_GROUP_SUSE },          { "caasp", OS_GROUP_SUSE },     { "slem", OS_GROUP_SUSE },
};

OsGroup
os_group_for (const char *id, const char *family, const char *distribution)
{
  if (g_strcmp0 (id, "unknown") == 0)
    return OS_GROUP_OTHER;
  for (gsize i = 0; distribution != NULL && i < G_N_ELEMENTS (distributions); i++)
    if (g_str_equal (distributions[i].distribution, distribution))
      return distributions[i].group;
  if (family == NULL)
    return OS_GROUP_REST;
  if (g_str_equal (family, "linux"))
    return distribution == NULL ? OS_GROUP_OTHER : OS_GROUP_LINUX;
  if (g_str_has_prefix (family, "win"))
    return OS_GROUP_WINDOWS;
  if (strstr (family, "bsd") != NULL)
    return OS_GROUP_BSD;
  return OS_GROUP_REST;
}

const char *
os_group_name (OsGroup group)
{
  switch (group)
    {
    case OS_GROUP_DEBIAN:
      return _("Debian");
    case OS_GROUP_UBUNTU:
      return _("Ubuntu");
    case OS_GROUP_FEDORA:
      return _("Fedora");
    case OS_GROUP_REDHAT:
      return _("Red Hat and relatives");
    case OS_GROUP_SUSE:
      return _("SUSE");
    case OS_GROUP_LINUX:
      return _("More Linux distributions");
    case OS_GROUP_WINDOWS:
      return _("Windows");
    case OS_GROUP_BSD:
      return _("BSD");
    case OS_GROUP_REST:
      return _("More systems");
    case OS_GROUP_OTHER:
      return _("Other");
    }
  g_assert_not_reached ();
}

gboolean
bunshin_os_is_heading (BunshinOs *self)
{
  return self->id == NULL;
}

const char *
bunshin_os_get_id (BunshinOs *self)
{
  return self->id;
}

const char *
bunshin_os_get_name (BunshinOs *self)
{
  return self->name;
}

OsGroup
bunshin_os_get_group (BunshinOs *self)
{
  return self->group;
}

const OsFacts *
bunshin_os_get_facts (BunshinOs *self)
{
  return &self->facts;
}

/* "other" is not looked for in “Mother’s Day”. */
static gboolean
begins_a_word (const char *haystack, const char *word)
{
  for (const char *found = strstr (haystack, word); found != NULL; found = strstr (found + 1, word))
    if (found == haystack || !g_ascii_isalnum (found[-1]))
      return TRUE;
  return FALSE;
}

gboolean
bunshin_os_matches (BunshinOs *self, const char *const *words)
{
  for (gsize i = 0; words[i] != NULL; i++)
    if (!begins_a_word (self->haystack, words[i]))
      return FALSE;
  return TRUE;
}

int
bunshin_os_compare (BunshinOs *a, BunshinOs *b)
{
  if (a->group != b->group)
    return a->group < b->group ? -1 : 1;
  if (a->facts.year != b->facts.year)
    return a->facts.year > b->facts.year ? -1 : 1;
  return -strcmp (a->sort_key, b->sort_key);
}

static void
bunshin_os_finalize (GObject *object)
{
  BunshinOs *self = BUNSHIN_OS (object);

  g_free (self->id);
  g_free (self->name);
  g_free (self->family);
  g_free (self->haystack);
  g_free (self->sort_key);
  G_OBJECT_CLASS (bunshin_os_parent_class)->finalize (object);
}

static void
bunshin_os_class_init (BunshinOsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bunshin_os_finalize;
}

static void
bunshin_os_init (BunshinOs *self)
{
}

BunshinOs *
bunshin_os_new (const OsFacts *facts, const char *name, OsGroup group, const char *search)
{
  BunshinOs *self = g_object_new (BUNSHIN_TYPE_OS, NULL);
  g_autofree char *words = g_strjoin (" ", name, facts->id, search != NULL ? search : "", NULL);

  self->id = g_strdup (facts->id);
  self->name = g_strdup (name);
  self->family = g_strdup (facts->family);
  self->haystack = g_utf8_casefold (words, -1);
  self->sort_key = g_utf8_collate_key_for_filename (name, -1);
  self->group = group;
  self->facts = *facts;
  self->facts.id = self->id;
  self->facts.family = self->family;
  return self;
}

BunshinOs *
bunshin_os_new_heading (OsGroup group)
{
  BunshinOs *self = g_object_new (BUNSHIN_TYPE_OS, NULL);

  self->name = g_strdup (os_group_name (group));
  self->group = group;
  return self;
}
