/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who uses which part of a file: finds what two use. Private to storage/disk. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct Claims Claims;

/* Looks at as much of a file as can be kept in mind, from @start on, in units of @unit bytes. */
Claims *claims_new (uint64_t start, uint64_t unit);
void claims_free (Claims *claims);
/* Where what is looked at ends. */
uint64_t claims_end (const Claims *claims);
/* FALSE: some of it was taken before; it is all the same from now on. What is not looked at is left out. */
gboolean claims_take (Claims *claims, uint64_t at, uint64_t length);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Claims, claims_free)
