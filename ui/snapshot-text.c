/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Snapshots in words; see the header. */

#include "ui/snapshot-text.h"

#include "ui/size-format.h"

#include <glib/gi18n.h>

enum
{
  MINUTE = 60,
  HOUR = 60 * MINUTE,
  QUOTED_CHARS = 40 /* of a name within another */
};

char *
snapshot_text_time (gint64 time)
{
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_local (time);

  return date != NULL ? g_date_time_format (date, "%c") : g_strdup ("");
}

/* Days by the calendar: what was late last evening was yesterday. */
static int
days_between (GDateTime *earlier, GDateTime *later)
{
  GDate from, to;
  int year, month, day;

  g_date_time_get_ymd (earlier, &year, &month, &day);
  g_date_clear (&from, 1);
  g_date_set_dmy (&from, (GDateDay) day, (GDateMonth) month, (GDateYear) year);
  g_date_time_get_ymd (later, &year, &month, &day);
  g_date_clear (&to, 1);
  g_date_set_dmy (&to, (GDateDay) day, (GDateMonth) month, (GDateYear) year);
  return g_date_days_between (&from, &to);
}

char *
snapshot_text_age (gint64 time, gint64 now)
{
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_local (time);
  g_autoptr (GDateTime) today = g_date_time_new_from_unix_local (now);
  gint64 age = now - time;
  int days;

  if (date == NULL || today == NULL)
    return g_strdup ("");
  days = days_between (date, today);
  /* A clock that was set back makes what is new lie ahead: then the date says more. */
  if (age >= 0 && age < MINUTE)
    return g_strdup (_("Just now"));
  if (age >= 0 && age < HOUR)
    return g_strdup_printf (ngettext ("%u minute ago", "%u minutes ago", age / MINUTE), (guint) (age / MINUTE));
  if (days == 0)
    /* Translators: a time of this day; see the manual of strftime(). */
    return g_date_time_format (date, _("Today, %H:%M"));
  if (days == 1)
    return g_date_time_format (date, _("Yesterday, %H:%M"));
  if (g_date_time_get_year (date) == g_date_time_get_year (today))
    /* Translators: day, month and time of this year. */
    return g_date_time_format (date, _("%-d %B, %H:%M"));
  /* Translators: day, month and year. */
  return g_date_time_format (date, _("%-d %B %Y"));
}

char *
snapshot_text_new_name (const char *const *names)
{
  for (guint number = g_strv_length ((char **) names) + 1;; number++)
    {
      g_autofree char *name = g_strdup_printf (_("Snapshot %u"), number);

      if (!g_strv_contains (names, name))
        return g_steal_pointer (&name);
    }
}

char *
snapshot_text_kept_name (const char *name)
{
  g_autofree char *head = g_utf8_strlen (name, -1) > QUOTED_CHARS ? g_utf8_substring (name, 0, QUOTED_CHARS) : NULL;
  g_autofree char *quoted = head != NULL ? g_strconcat (head, "…", NULL) : g_strdup (name);

  return g_strdup_printf (_("Before going back to “%s”"), quoted);
}

char *
snapshot_text_forecast (const SnapshotForecast *forecast)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *frees = size_format (forecast->frees), *copies = size_format (forecast->copies);

  if (forecast->frees > 0)
    g_string_append_printf (text, _("This frees about %s on this computer’s disk."), frees);
  else
    g_string_append (text, _("This frees no room on this computer’s disk."));
  if (forecast->waits)
    g_string_append_printf (text, " %s",
                            _("Several snapshots or clones build on its data: that stays until only one does."));
  else if (forecast->copies > 0)
    {
      g_string_append_c (text, ' ');
      g_string_append_printf (text, _("What others need of it, %s, is merged into them first."), copies);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
