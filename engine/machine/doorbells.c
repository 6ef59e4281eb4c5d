/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Doorbells of devices that the accelerator can answer: the I/O thread then does the device's work. */

#include "engine/machine/machine-private.h"

#include "engine/cpu/doorbell.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Shared by the list and by its source, which another thread may be about to dispatch. */
typedef struct
{
  Machine *machine;
  Doorbell bell;
  int fd;            /* -1: nobody but the handler answers */
  GSource *source;
  gboolean is_gone;  /* machine lock */
} Answered;

static void
close_answered (gpointer data)
{
  Answered *a = data;

  if (a->fd >= 0)
    close (a->fd);
}

static void
release (gpointer data)
{
  g_atomic_rc_box_release_full (data, close_answered);
}

/* Machine lock held. */
static void
look (Answered *a)
{
  uint64_t rings;

  if (a->is_gone || read (a->fd, &rings, sizeof rings) != sizeof rings)
    return;
  a->machine->bells_rung += rings;
  a->bell.ring (a->bell.opaque, a->bell.which);
}

static gboolean
dispatch (int fd, GIOCondition condition, gpointer data)
{
  Answered *a = data;

  machine_lock_take (&a->machine->lock);
  look (a);
  machine_lock_release (&a->machine->lock);
  return G_SOURCE_CONTINUE;
}

static void
stop_listening (Answered *a)
{
  if (a->source == NULL)
    return;
  g_source_destroy (a->source);
  g_clear_pointer (&a->source, g_source_unref);
}

/* Asks the accelerator that is set now. */
static void
install (Machine *m, Answered *a)
{
  if (a->fd < 0)
    a->fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (a->fd < 0 || !x86_system_add_doorbell (m->cpu_system, &a->bell, a->fd))
    {
      stop_listening (a);
      return;
    }
  if (a->source != NULL)
    return;
  a->source = g_unix_fd_source_new (a->fd, G_IO_IN);
  g_source_set_callback (a->source, G_SOURCE_FUNC (dispatch), g_atomic_rc_box_acquire (a), release);
  g_source_attach (a->source, m->context);
}

static void
add_bell (void *opaque, const Doorbell *bell)
{
  Machine *m = opaque;
  Answered *a = g_atomic_rc_box_new0 (Answered);

  *a = (Answered) { .machine = m, .bell = *bell, .fd = -1 };
  g_ptr_array_add (m->bells, a);
  install (m, a);
}

static gboolean
is_same (const Doorbell *a, const Doorbell *b)
{
  return a->is_port == b->is_port && a->address == b->address && a->opaque == b->opaque && a->which == b->which;
}

static void
remove_bell (void *opaque, const Doorbell *bell)
{
  Machine *m = opaque;

  for (guint i = 0; i < m->bells->len; i++)
    {
      Answered *a = g_ptr_array_index (m->bells, i);

      if (!is_same (&a->bell, bell))
        continue;
      if (a->source != NULL)
        x86_system_remove_doorbell (m->cpu_system, &a->bell, a->fd);
      stop_listening (a);
      a->is_gone = TRUE;
      g_ptr_array_remove_index_fast (m->bells, i);
      return;
    }
}

const DoorbellOps doorbells_ops = { .add = add_bell, .remove = remove_bell };

void
doorbells_init (Machine *m)
{
  m->bells = g_ptr_array_new_with_free_func (release);
}

void
doorbells_free (Machine *m)
{
  g_ptr_array_unref (m->bells);
}

void
doorbells_accel_changed (Machine *m)
{
  machine_lock_take (&m->lock);
  for (guint i = 0; i < m->bells->len; i++)
    install (m, g_ptr_array_index (m->bells, i));
  machine_lock_release (&m->lock);
}

void
doorbells_settle (Machine *m)
{
  for (guint i = 0; i < m->bells->len; i++)
    {
      Answered *a = g_ptr_array_index (m->bells, i);

      if (a->fd >= 0)
        look (a);
    }
}
