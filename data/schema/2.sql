-- SPDX-License-Identifier: GPL-3.0-or-later
-- Schema version 2: how much of the host's memory translated code may take.

ALTER TABLE machine ADD COLUMN code_cache INTEGER NOT NULL DEFAULT 268435456 CHECK (code_cache > 0);
