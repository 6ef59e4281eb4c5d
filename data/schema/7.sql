-- SPDX-License-Identifier: GPL-3.0-or-later
-- Schema version 7: automatic snapshots. When a machine's are taken and how many are kept, and which discs it has had.

ALTER TABLE machine ADD COLUMN auto_disc INTEGER NOT NULL DEFAULT 0 CHECK (auto_disc IN (0, 1)); -- before unknown discs
ALTER TABLE machine ADD COLUMN auto_every INTEGER NOT NULL DEFAULT 0 CHECK (auto_every >= 0);    -- minutes of running; 0: not
ALTER TABLE machine ADD COLUMN auto_keep INTEGER NOT NULL DEFAULT 5 CHECK (auto_keep > 0);       -- how many
ALTER TABLE machine ADD COLUMN auto_space INTEGER NOT NULL DEFAULT 10737418240 CHECK (auto_space > 0); -- bytes

CREATE TABLE machine_disc (
  machine INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  digest  TEXT NOT NULL, -- that tells it from others
  PRIMARY KEY (machine, digest)
) STRICT, WITHOUT ROWID;
