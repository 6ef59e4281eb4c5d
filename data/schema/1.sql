-- SPDX-License-Identifier: GPL-3.0-or-later
-- The library, schema version 1. A later version is a file of its own that changes this one.

CREATE TABLE machine (
  id          INTEGER PRIMARY KEY,
  uuid        TEXT NOT NULL UNIQUE COLLATE NOCASE,
  name        TEXT NOT NULL UNIQUE,
  folder      TEXT NOT NULL UNIQUE,            -- beneath machines/
  description TEXT,
  os_id       TEXT,
  memory      INTEGER NOT NULL CHECK (memory > 0),
  cpus        INTEGER NOT NULL CHECK (cpus > 0),
  cpu_model   TEXT,
  accel       TEXT NOT NULL,
  firmware    TEXT NOT NULL,
  chipset     TEXT NOT NULL,
  boot        TEXT NOT NULL,
  rtc_utc     INTEGER NOT NULL CHECK (rtc_utc IN (0, 1)),
  created     INTEGER NOT NULL
) STRICT;

CREATE TABLE medium (
  id     INTEGER PRIMARY KEY,
  uuid   TEXT NOT NULL UNIQUE COLLATE NOCASE,
  path   TEXT NOT NULL UNIQUE,
  kind   TEXT NOT NULL CHECK (kind IN ('disk', 'optical', 'floppy')),
  format TEXT
) STRICT;

CREATE TABLE attachment (
  id         INTEGER PRIMARY KEY,
  machine    INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  controller TEXT NOT NULL CHECK (controller IN ('ide', 'floppy')),
  unit       INTEGER NOT NULL CHECK (unit >= 0),
  kind       TEXT NOT NULL CHECK (kind IN ('disk', 'optical', 'floppy')),
  medium     INTEGER REFERENCES medium (id) ON DELETE RESTRICT, -- NULL: an empty drive
  UNIQUE (machine, controller, unit),
  CHECK (kind <> 'disk' OR medium IS NOT NULL)
) STRICT;
CREATE INDEX attachment_medium ON attachment (medium);

CREATE TABLE adapter (
  id      INTEGER PRIMARY KEY,
  machine INTEGER NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
  slot    INTEGER NOT NULL CHECK (slot BETWEEN 0 AND 7),
  model   TEXT NOT NULL,
  mac     TEXT NOT NULL UNIQUE COLLATE NOCASE,
  kind    TEXT NOT NULL,
  param   TEXT,
  cable   INTEGER NOT NULL CHECK (cable IN (0, 1)),
  UNIQUE (machine, slot)
) STRICT;

CREATE TABLE forward (
  id            INTEGER PRIMARY KEY,
  adapter       INTEGER NOT NULL REFERENCES adapter (id) ON DELETE CASCADE,
  protocol      TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
  host_address  TEXT,
  host_port     INTEGER NOT NULL CHECK (host_port BETWEEN 1 AND 65535),
  guest_address TEXT,
  guest_port    INTEGER NOT NULL CHECK (guest_port BETWEEN 1 AND 65535)
) STRICT;
CREATE INDEX forward_adapter ON forward (adapter);

CREATE TABLE setting (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
