/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Plays keys and pointer events at a pace a guest can follow; see the header. */

#include "app/typist.h"
#include "app/cli.h"
#include "app/keymap.h"

#include <glib/gi18n.h>
#include <string.h>

enum
{
  STEP_MS = 15,        /* 30 characters a second: a BIOS keyboard buffer holds 16 */
  HOME_STEP = 200,     /* counts, within a PS/2 packet's range */
  /* Guests slow down below 70 counts a second and accelerate above 400, or from more than this in one packet. */
  CREEP_SPEED = 200, CREEP_STEP = 6,
  PATIENCE = 40        /* steps: a guest that reads nothing for longer is not waited for */
};

typedef enum { STEP_KEY, STEP_ABSOLUTE, STEP_RELATIVE, STEP_CREEP, STEP_BUTTON, STEP_DONE } StepKind;

typedef struct
{
  StepKind kind;
  int a, b;
  TypistDone done;
  void *opaque;
} Step;

struct Typist
{
  Input *input;
  Display *display;
  GQueue steps;
  guint source;
  unsigned waited;     /* steps, since the guest last had read everything */
  gint64 moved;        /* microseconds: when the last relative movement was sent */
};

Typist *
typist_new (Input *input, Display *display)
{
  Typist *typist = g_new0 (Typist, 1);

  typist->input = input;
  typist->display = display;
  g_queue_init (&typist->steps);
  return typist;
}

/* Letting go of keys is no loss: that comes last, and a guest that has powered off on a key is content. */
static void
give_up (Typist *typist)
{
  gboolean is_complete = TRUE;
  Step *step;

  while ((step = g_queue_pop_head (&typist->steps)) != NULL)
    {
      if (step->kind == STEP_DONE)
        {
          if (step->done)
            step->done (is_complete, step->opaque);
          is_complete = TRUE;
        }
      else if ((step->kind != STEP_KEY && step->kind != STEP_BUTTON) || step->b)
        is_complete = FALSE;
      g_free (step);
    }
}

void
typist_free (Typist *typist)
{
  if (!typist)
    return;
  if (typist->source)
    g_source_remove (typist->source);
  give_up (typist);
  input_release_all (typist->input);
  g_free (typist);
}

/* Moves on as far as the time since the last movement allows; the rest becomes the next step. */
static void
creep (Typist *typist, const Step *step)
{
  gint64 now = g_get_monotonic_time ();
  int most = (int) CLAMP ((now - typist->moved) * CREEP_SPEED / G_USEC_PER_SEC, 1, CREEP_STEP);
  int dx = CLAMP (step->a, -most, most), dy = CLAMP (step->b, -most, most);

  typist->moved = now;
  input_relative (typist->input, dx, dy, 0);
  if (dx != step->a || dy != step->b)
    {
      Step rest = { .kind = STEP_CREEP, .a = step->a - dx, .b = step->b - dy };

      g_queue_push_head (&typist->steps, g_memdup2 (&rest, sizeof rest));
    }
}

/* Returns whether the step took time. */
static gboolean
play (Typist *typist, const Step *step)
{
  switch (step->kind)
    {
    case STEP_KEY:
      input_key (typist->input, (unsigned) step->a, step->b);
      return TRUE;
    case STEP_ABSOLUTE:
      input_absolute (typist->input, step->a, step->b, 0);
      return TRUE;
    case STEP_RELATIVE:
      typist->moved = g_get_monotonic_time ();
      input_relative (typist->input, step->a, step->b, 0);
      return TRUE;
    case STEP_CREEP:
      creep (typist, step);
      return TRUE;
    case STEP_BUTTON:
      input_button (typist->input, (InputButton) step->a, step->b);
      return TRUE;
    case STEP_DONE:
    default:
      if (step->done)
        step->done (TRUE, step->opaque);
      return FALSE;
    }
}

/* A guest that is slow to read would lose keys, and take movement in one go for a fast one. */
static gboolean
must_wait (Typist *typist)
{
  if (input_is_pending (typist->input))
    {
      if (typist->waited == PATIENCE)
        return FALSE;
      typist->waited++;
      return TRUE;
    }
  /* One step more, so that what comes next keeps its distance. */
  if (typist->waited == 0)
    return FALSE;
  typist->waited = 0;
  return TRUE;
}

static gboolean
on_step (gpointer data)
{
  Typist *typist = data;
  gboolean took_time = FALSE;

  if (must_wait (typist))
    return G_SOURCE_CONTINUE;
  while (!took_time && !g_queue_is_empty (&typist->steps))
    {
      g_autofree Step *step = g_queue_pop_head (&typist->steps);

      took_time = play (typist, step);
    }
  if (took_time || !g_queue_is_empty (&typist->steps))
    return G_SOURCE_CONTINUE;
  typist->source = 0;
  return G_SOURCE_REMOVE;
}

static void
add (Typist *typist, Step step)
{
  g_queue_push_tail (&typist->steps, g_memdup2 (&step, sizeof step));
  if (!typist->source)
    typist->source = g_timeout_add (STEP_MS, on_step, typist);
}

void
typist_chords (Typist *typist, const GArray *chords, TypistDone done, void *opaque)
{
  for (guint i = 0; i < chords->len; i++)
    {
      const KeyChord *chord = &g_array_index (chords, KeyChord, i);

      for (unsigned j = 0; j < chord->count; j++)
        add (typist, (Step) { .kind = STEP_KEY, .a = chord->codes[j], .b = TRUE });
      for (unsigned j = chord->count; j-- > 0;)
        add (typist, (Step) { .kind = STEP_KEY, .a = chord->codes[j], .b = FALSE });
    }
  add (typist, (Step) { .kind = STEP_DONE, .done = done, .opaque = opaque });
}

/* A relative mouse is sent into the nearest corner first, whose place is known, and creeps from there. */
static void
creep_to (Typist *typist, int x, int y, int width, int height)
{
  int towards_x = 2 * x < width ? -1 : 1, towards_y = 2 * y < height ? -1 : 1;
  int left_x = towards_x < 0 ? x : width - 1 - x, left_y = towards_y < 0 ? y : height - 1 - y;

  for (int gone = 0; gone < 2 * MAX (width, height); gone += HOME_STEP)
    add (typist, (Step) { .kind = STEP_RELATIVE, .a = towards_x * HOME_STEP, .b = towards_y * HOME_STEP });
  add (typist, (Step) { .kind = STEP_CREEP, .a = -towards_x * left_x, .b = -towards_y * left_y });
}

static int
to_absolute (unsigned pixel, int size)
{
  return size > 1 ? (int) ((gint64) pixel * INPUT_ABS_MAX / (size - 1)) : 0;
}

gboolean
typist_pointer (Typist *typist, unsigned x, unsigned y, const char *action, TypistDone done, void *opaque,
                GError **error)
{
  InputButton button = strcmp (action, "right") == 0 ? INPUT_BUTTON_RIGHT : INPUT_BUTTON_LEFT;
  int clicks = *action == '\0' ? 0 : strcmp (action, "double") == 0 ? 2 : 1;
  int width = 0, height = 0, stride;

  display_refresh (typist->display);
  if (display_lock (typist->display, &width, &height, &stride) == NULL)
    width = height = 0;
  display_unlock (typist->display);
  if (x >= (unsigned) width || y >= (unsigned) height)
    return usage_error (error, _("%u, %u is outside the screen, which has %d × %d pixels"), x, y, width, height);

  if (input_is_absolute (typist->input))
    add (typist, (Step) { .kind = STEP_ABSOLUTE, .a = to_absolute (x, width), .b = to_absolute (y, height) });
  else
    creep_to (typist, (int) x, (int) y, width, height);
  for (int i = 0; i < clicks; i++)
    {
      add (typist, (Step) { .kind = STEP_BUTTON, .a = button, .b = TRUE });
      add (typist, (Step) { .kind = STEP_BUTTON, .a = button, .b = FALSE });
    }
  add (typist, (Step) { .kind = STEP_DONE, .done = done, .opaque = opaque });
  return TRUE;
}
