-- SPDX-License-Identifier: GPL-3.0-or-later
-- Schema version 6: snapshots. Which image lies over which, the trees of snapshots, and what is under way in them. Clones
-- may have the network addresses of what they were made from.

ALTER TABLE medium ADD COLUMN base INTEGER REFERENCES medium (id) ON DELETE RESTRICT; -- NULL: not a layer of ours
-- Of a layer, or of a disk that has some: the machine whose it is, NULL when that is gone.
ALTER TABLE medium ADD COLUMN owner INTEGER REFERENCES machine (id) ON DELETE SET NULL;
-- Of a disk that has layers: whether the files that the image names are followed wherever they are.
ALTER TABLE medium ADD COLUMN trust INTEGER NOT NULL DEFAULT 0 CHECK (trust IN (0, 1));
CREATE INDEX medium_base ON medium (base);
CREATE INDEX medium_owner ON medium (owner);

CREATE TABLE snapshot (
  id          INTEGER PRIMARY KEY,
  uuid        TEXT NOT NULL UNIQUE COLLATE NOCASE,
  machine     INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  parent      INTEGER REFERENCES snapshot (id) ON DELETE SET NULL,
  name        TEXT NOT NULL,
  description TEXT,
  created     INTEGER NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('user', 'automatic', 'drive')),
  finished    INTEGER NOT NULL CHECK (finished IN (0, 1)),
  state       INTEGER NOT NULL CHECK (state IN (0, 1)),     -- whether it has such a file
  thumbnail   INTEGER NOT NULL CHECK (thumbnail IN (0, 1)),
  settings    TEXT NOT NULL                                 -- a{sv} in GVariant's text format
) STRICT;
CREATE INDEX snapshot_machine ON snapshot (machine);
CREATE INDEX snapshot_parent ON snapshot (parent);
CREATE UNIQUE INDEX snapshot_drive ON snapshot (machine) WHERE kind = 'drive';
ALTER TABLE machine ADD COLUMN current INTEGER REFERENCES snapshot (id) ON DELETE SET NULL;
CREATE INDEX machine_current ON machine (current);

CREATE TABLE snapshot_disk (
  snapshot   INTEGER NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE,
  controller TEXT NOT NULL,
  unit       INTEGER NOT NULL CHECK (unit >= 0),
  medium     INTEGER NOT NULL REFERENCES medium (id) ON DELETE RESTRICT,
  PRIMARY KEY (snapshot, controller, unit)
) STRICT, WITHOUT ROWID;
CREATE INDEX snapshot_disk_medium ON snapshot_disk (medium);

-- What was begun and is not at its end: whoever finds it finishes it.
CREATE TABLE snapshot_work (
  id      INTEGER PRIMARY KEY,
  machine INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  verb    TEXT NOT NULL CHECK (verb IN ('delete', 'restore')),
  name    TEXT NOT NULL, -- the snapshot's, as the user knew it
  state   TEXT,          -- of “restore”: the file that the saved state is to be made from, NULL: there is to be none
  process TEXT NOT NULL  -- that began it
) STRICT;
CREATE INDEX snapshot_work_machine ON snapshot_work (machine);

CREATE TABLE adapter_any (
  id      INTEGER PRIMARY KEY,
  machine INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  slot    INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 7),
  model   TEXT NOT NULL,
  mac     TEXT NOT NULL COLLATE NOCASE,
  kind    TEXT NOT NULL,
  param   TEXT,
  cable   INTEGER NOT NULL CHECK (cable IN (0, 1)),
  UNIQUE (machine, slot)
) STRICT;
INSERT INTO adapter_any SELECT id, machine, slot, model, mac, kind, param, cable FROM adapter;
DROP TABLE adapter;
ALTER TABLE adapter_any RENAME TO adapter;
CREATE INDEX adapter_mac ON adapter (mac);
