-- SPDX-License-Identifier: GPL-3.0-or-later
-- Schema version 5: of a disk in a machine, whether the host caches it, and whether the files that its image names are
-- followed wherever they are.

ALTER TABLE attachment ADD COLUMN cache TEXT NOT NULL DEFAULT 'writeback' CHECK (cache IN ('writeback', 'none'));
ALTER TABLE attachment ADD COLUMN trust INTEGER NOT NULL DEFAULT 0 CHECK (trust IN (0, 1));
