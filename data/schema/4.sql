-- SPDX-License-Identifier: GPL-3.0-or-later
-- Schema version 4: disks that stay in the list of media though no machine has them.

ALTER TABLE medium ADD COLUMN kept INTEGER NOT NULL DEFAULT 0 CHECK (kept IN (0, 1));
