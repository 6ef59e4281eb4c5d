/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a file to a plan: which kind of description it is, and where its manifest and its files are. */

#include "storage/appliance/appliance-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum
{
  TAR_MAGIC = 257, /* offset of “ustar” in the first block */
  HEAD = 512
};

static const char *const endings[] = { ".ova", ".ovf", ".vbox", ".vmx", ".pvs", ".pvm" };

static gboolean
ends_with (const char *name, const char *ending)
{
  size_t length = strlen (name), end = strlen (ending);

  return length > end && g_ascii_strcasecmp (name + length - end, ending) == 0;
}

gboolean
appliance_is_name (const char *path)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (endings); i++)
    if (ends_with (path, endings[i]))
      return TRUE;
  return FALSE;
}

/* A whole small file. */
static char *
read_text (const char *path, size_t *length, GError **error)
{
  g_autoptr (Stream) stream = stream_open_path (path, error);
  g_autofree char *text = NULL;
  size_t size = 64 << 10, done = 0;
  gssize some;

  if (stream == NULL)
    return NULL;
  text = g_malloc (size + 1);
  while ((some = stream_read (stream, text + done, size - done, error)) > 0)
    {
      done += (size_t) some;
      if (done < size)
        continue;
      if (size >= APPLIANCE_MAX_TEXT)
        {
          appliance_error (error, path, _ ("it is too long for a description of an appliance"));
          return NULL;
        }
      size *= 2;
      text = g_realloc (text, size + 1);
    }
  if (some < 0)
    return NULL;
  text[done] = '\0';
  *length = done;
  return g_steal_pointer (&text);
}

static gboolean
parse_xml (AppliancePlan *plan, const char *text, size_t length, const char *folder, ApplianceFlags flags,
           GError **error)
{
  g_autoptr (xmlDoc) doc = xml_parse (plan->path, text, length, error);
  xmlNode *root = doc != NULL ? xmlDocGetRootElement (doc) : NULL;

  if (root == NULL)
    return FALSE;
  if (plan->kind != APPLIANCE_KIND_OVA)
    plan->kind = xml_is (root, "VirtualBox")                ? APPLIANCE_KIND_VBOX
                 : xml_is (root, "ParallelsVirtualMachine") ? APPLIANCE_KIND_PVS
                                                            : APPLIANCE_KIND_OVF;
  switch (plan->kind)
    {
    case APPLIANCE_KIND_VBOX:
      return vbox_parse (plan, root, folder, flags, error);
    case APPLIANCE_KIND_PVS:
      return pvs_parse (plan, root, folder, flags, error);
    default:
      return ovf_parse (plan, root, folder, error);
    }
}

AppliancePlan *
appliance_parse (ApplianceKind kind, const char *text, size_t length, const char *folder, ApplianceFlags flags,
                 GError **error)
{
  g_autoptr (AppliancePlan) plan = appliance_plan_new (kind);
  gboolean ok;

  plan->path = g_strdup ("description");
  plan->description = g_strdup (plan->path);
  ok = kind == APPLIANCE_KIND_VMX ? vmx_parse (plan, text, length, folder, flags, error)
                                  : parse_xml (plan, text, length, folder, flags, error);
  return ok ? g_steal_pointer (&plan) : NULL;
}

/* The name with another ending. */
static char *
with_ending (const char *name, const char *ending)
{
  const char *dot = strrchr (name, '.');

  return dot != NULL ? g_strdup_printf ("%.*s%s", (int) (dot - name), name, ending) : g_strconcat (name, ending, NULL);
}

/* --- Archives --- */

static const OvaMember *
find_description (const AppliancePlan *plan, GError **error)
{
  const GPtrArray *members = ova_members (plan->archive);
  const OvaMember *found = NULL;

  for (unsigned i = 0; i < members->len; i++)
    {
      const OvaMember *member = g_ptr_array_index (members, i);

      if (!ends_with (member->name, ".ovf"))
        continue;
      if (found != NULL)
        {
          appliance_error (error, plan->path, _ ("the archive has two descriptions, “%s” and “%s”"), found->name,
                           member->name);
          return NULL;
        }
      found = member;
    }
  if (found == NULL)
    appliance_error (error, plan->path, _ ("the archive has no description: no member ends in .ovf"));
  return found;
}

static gboolean
read_archive (AppliancePlan *plan, GError **error)
{
  const OvaMember *description, *manifest;
  g_autofree char *text = NULL, *name = NULL, *signature = NULL;
  size_t length;

  plan->kind = APPLIANCE_KIND_OVA;
  plan->archive = ova_open (plan->path, error);
  if (plan->archive == NULL || (description = find_description (plan, error)) == NULL
      || (text = ova_read_text (plan->archive, description, &length, error)) == NULL)
    return FALSE;
  plan->description = g_strdup (description->name);
  plan->source = g_bytes_new (text, length);
  name = with_ending (description->name, ".mf");
  signature = with_ending (description->name, ".cert");
  plan->certificate = ova_find (plan->archive, signature) != NULL;
  manifest = ova_find (plan->archive, name);
  if (manifest != NULL)
    {
      size_t some;

      plan->text = ova_read_text (plan->archive, manifest, &some, error);
      if (plan->text == NULL)
        return FALSE;
      plan->manifest = g_strdup (name);
    }
  return parse_xml (plan, text, length, NULL, 0, error);
}

/* --- Files --- */

static gboolean
read_manifest (AppliancePlan *plan, GError **error)
{
  g_autofree char *path = with_ending (plan->path, ".mf"), *signature = with_ending (plan->path, ".cert");
  size_t length;

  plan->certificate = g_file_test (signature, G_FILE_TEST_IS_REGULAR);
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  plan->text = read_text (path, &length, error);
  plan->manifest = g_steal_pointer (&path);
  return plan->text != NULL;
}

static gboolean
looks_like_xml (const char *text, size_t length)
{
  size_t at = 0;

  if (length >= 3 && memcmp (text, "\357\273\277", 3) == 0)
    at = 3;
  if (length >= 2 && (memcmp (text, "\377\376", 2) == 0 || memcmp (text, "\376\377", 2) == 0))
    return TRUE;
  while (at < length && g_ascii_isspace (text[at]))
    at++;
  return at < length && text[at] == '<';
}

static gboolean
read_description (AppliancePlan *plan, ApplianceFlags flags, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (plan->path), *text = NULL;
  size_t length;

  text = read_text (plan->path, &length, error);
  if (text == NULL)
    return FALSE;
  plan->description = g_path_get_basename (plan->path);
  plan->source = g_bytes_new (text, length);
  if (!looks_like_xml (text, length))
    {
      plan->kind = APPLIANCE_KIND_VMX;
      return vmx_parse (plan, text, length, folder, flags, error);
    }
  return parse_xml (plan, text, length, folder, flags, error)
         && (plan->kind != APPLIANCE_KIND_OVF || read_manifest (plan, error));
}

static gboolean
is_archive (const char *path, gboolean *archive, GError **error)
{
  g_autoptr (Stream) stream = NULL;
  char head[HEAD];
  gssize some;

  stream = stream_open_path (path, error);
  some = stream != NULL ? stream_read (stream, head, sizeof head, error) : -1;
  *archive = some == HEAD && memcmp (head + TAR_MAGIC, "ustar", 5) == 0;
  return some >= 0;
}

AppliancePlan *
appliance_read (const char *path, ApplianceFlags flags, GError **error)
{
  g_autoptr (AppliancePlan) plan = appliance_plan_new (APPLIANCE_KIND_OVF);
  gboolean archive;
  struct stat info;

  plan->path = g_canonicalize_filename (path, NULL);
  /* A machine of Parallels is a folder. */
  if (stat (plan->path, &info) == 0 && S_ISDIR (info.st_mode))
    {
      char *inside = g_build_filename (plan->path, "config.pvs", NULL);

      g_free (plan->path);
      plan->path = inside;
    }
  else if (stat (plan->path, &info) == 0 && !S_ISREG (info.st_mode))
    {
      appliance_error (error, path, _ ("it is not a file"));
      return NULL;
    }
  if (!is_archive (plan->path, &archive, error)
      || !(archive ? read_archive (plan, error) : read_description (plan, flags, error)))
    return NULL;
  return g_steal_pointer (&plan);
}
