/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A machine's state in words and colours. */

#include "ui/state-text.h"

#include <glib/gi18n.h>

const char *
state_text (LibraryState state)
{
  switch (state)
    {
    case LIBRARY_STATE_POWERED_OFF:
      return _("Powered off");
    case LIBRARY_STATE_STARTING:
      return _("Starting…");
    case LIBRARY_STATE_RUNNING:
      return _("Running");
    case LIBRARY_STATE_PAUSED:
      return _("Paused");
    case LIBRARY_STATE_STOPPING:
      return _("Stopping…");
    case LIBRARY_STATE_SAVING:
      return _("Saving…");
    case LIBRARY_STATE_SAVED:
      return _("Saved");
    }
  g_assert_not_reached ();
}

const char *
state_style (LibraryState state)
{
  switch (state)
    {
    case LIBRARY_STATE_RUNNING:
      return "running";
    case LIBRARY_STATE_PAUSED:
      return "paused";
    default:
      return "dim-label";
    }
}

gboolean
state_is_off (LibraryState state)
{
  return state == LIBRARY_STATE_POWERED_OFF;
}

gboolean
state_can_start (LibraryState state)
{
  return state == LIBRARY_STATE_POWERED_OFF || state == LIBRARY_STATE_SAVED;
}

gboolean
state_is_up (LibraryState state)
{
  return state == LIBRARY_STATE_RUNNING || state == LIBRARY_STATE_PAUSED;
}
