-- SPDX-License-Identifier: GPL-3.0-or-later
-- Schema version 3: more disk controllers. Which there are is not the schema's to say: whoever reads a record checks it.

CREATE TABLE attachment_any (
  id         INTEGER PRIMARY KEY,
  machine    INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  controller TEXT NOT NULL,
  unit       INTEGER NOT NULL CHECK (unit >= 0),
  kind       TEXT NOT NULL CHECK (kind IN ('disk', 'optical', 'floppy')),
  medium     INTEGER REFERENCES medium (id) ON DELETE RESTRICT, -- NULL: an empty drive
  UNIQUE (machine, controller, unit),
  CHECK (kind <> 'disk' OR medium IS NOT NULL)
) STRICT;
INSERT INTO attachment_any SELECT id, machine, controller, unit, kind, medium FROM attachment;
DROP TABLE attachment;
ALTER TABLE attachment_any RENAME TO attachment;
CREATE INDEX attachment_medium ON attachment (medium);
