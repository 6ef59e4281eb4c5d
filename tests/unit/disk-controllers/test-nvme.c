/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The NVMe controller, driven as a guest does, and as no guest should. */

#include "tests/unit/disk-controllers/nvme-driver.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum
{
  SECTORS = 8192,
  UNIT = 2, /* its disk is namespace 3; 1 is a small one, that can only be read */
  NS = UNIT + 1,
  SMALL = 1,
  SMALL_SECTORS = 64,
  DATA = 0x40000,
  LIST = 0x30000,
  FUA = 1 << 30,
  DEALLOCATE = 1 << 2,
  FAR = 4000,
  UNTOUCHED = 0xee,
  STATE_ROUNDS = 40
};
#define OUTSIDE 0x800000000u

typedef struct
{
  Board *board;
  NvmeDriver g;
  Disk *disk, *small;
  int fd, small_fd;
} Fixture;

static uint8_t
content (uint64_t at)
{
  return (uint8_t) (at / NVME_SECTOR * 7 + at * 3 + 1);
}

static Disk *
memory_disk (int *fd, unsigned sectors, DiskOpenFlags flags)
{
  g_autofree uint8_t *data = g_malloc (sectors * NVME_SECTOR);
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  Disk *disk;

  for (unsigned i = 0; i < sectors * NVME_SECTOR; i++)
    data[i] = content (i);
  *fd = memfd_create ("disk", MFD_CLOEXEC);
  g_assert_cmpint (pwrite (*fd, data, sectors * NVME_SECTOR, 0), ==, sectors * NVME_SECTOR);
  path = g_strdup_printf ("/proc/self/fd/%d", *fd);
  disk = disk_open (path, flags, &error);
  g_assert_no_error (error);
  return disk;
}

static Device *
new_device (Fixture *t)
{
  Device *dev = device_new (&nvme_type);

  nvme_attach_disk (dev, SMALL - 1, t->small);
  nvme_attach_disk (dev, UNIT, t->disk);
  return dev;
}

static void
setup_off (Fixture *t, gconstpointer unused)
{
  t->disk = memory_disk (&t->fd, SECTORS, 0);
  t->small = memory_disk (&t->small_fd, SMALL_SECTORS, DISK_OPEN_READ_ONLY);
  t->board = board_new ();
  driver_add (&t->g, t->board, new_device (t));
}

static void
setup (Fixture *t, gconstpointer unused)
{
  setup_off (t, unused);
  driver_enable (&t->g);
  driver_create (&t->g, IO, 1);
}

static void
teardown (Fixture *t, gconstpointer unused)
{
  board_free (t->board);
  disk_unref (t->disk);
  disk_unref (t->small);
  close (t->fd);
  close (t->small_fd);
}

static uint16_t
admin (Fixture *t, DriverCommand c)
{
  return driver_run (&t->g, ADMIN, &c, NULL);
}

static uint16_t
io (Fixture *t, DriverCommand c)
{
  if (c.nsid == 0)
    c.nsid = NS;
  return driver_run (&t->g, IO, &c, NULL);
}

static void
expect_content (Fixture *t, uint32_t address, uint64_t at, uint32_t length)
{
  for (uint32_t i = 0; i < length; i++)
    g_assert_cmphex (driver_memory (&t->g, address)[i], ==, content (at + i));
}

static void
expect_on_disk (Fixture *t, uint64_t at, int value, uint32_t length)
{
  g_autofree uint8_t *data = g_malloc (length);

  g_assert_cmpint (pread (t->fd, data, length, (off_t) at), ==, length);
  for (uint32_t i = 0; i < length; i++)
    g_assert_cmphex (data[i], ==, value);
}

/* Lets the disk do what it was asked for, and the controller tell of it. */
static void
settle (Fixture *t)
{
  do
    disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE));
}

static void
poke64 (Fixture *t, uint32_t address, uint64_t value)
{
  memcpy (driver_memory (&t->g, address), &value, 8);
}

/* Registers */

static void
test_registers (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;

  g_assert_cmphex (driver_get (g, REG_VS), ==, VERSION_1_4);
  g_assert_cmpuint (driver_get (g, REG_CAP) & 0xffff, ==, QUEUE_ENTRIES_MAX - 1);
  g_assert_cmphex (board_read (t->board, DRIVER_BASE, 8) >> 37 & 1, ==, 1);
  g_assert_cmphex (driver_get (g, REG_CSTS), ==, 0);
  /* Nothing listens while it is off. */
  driver_set (g, REG_DOORBELLS, 1);
  /* Admin queues that are too small, and a page size that there is not. */
  driver_set (g, REG_CC, CC_EN);
  g_assert_cmphex (driver_get (g, REG_CSTS), ==, CSTS_CFS);
  driver_set (g, REG_CC, 0);
  g_assert_cmphex (driver_get (g, REG_CSTS), ==, 0);
  driver_set (g, REG_AQA, 0x000f000f);
  driver_set (g, REG_CC, CC_EN | 1 << CC_MPS_SHIFT);
  g_assert_cmphex (driver_get (g, REG_CSTS), ==, CSTS_CFS);
  driver_set (g, REG_CC, 0);
  driver_enable (g);
  g_assert_cmphex (driver_get (g, REG_CSTS), ==, CSTS_RDY);
  /* Addresses stay while it is on. */
  driver_set (g, REG_ASQ, 0x50000);
  g_assert_cmphex (driver_get (g, REG_ASQ), !=, 0x50000);
  driver_set (g, REG_CC, 0);
  g_assert_cmphex (driver_get (g, REG_CSTS), ==, 0);
  board_write (t->board, DRIVER_BASE + REG_ASQ, 0x1234567fff, 8);
  g_assert_cmphex (board_read (t->board, DRIVER_BASE + REG_ASQ, 8), ==, 0x1234567000);
  driver_set (g, REG_INTMS, 5);
  driver_set (g, REG_INTMC, 4);
  g_assert_cmphex (driver_get (g, REG_INTMS), ==, 1);
}

/* Queues in a place that is no memory are an error of the controller, which a reset ends. */
static void
test_bad_memory (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;

  driver_enable (g);
  driver_set (g, REG_CC, 0);
  driver_set (g, REG_ASQ + 4, 0x10);
  driver_set (g, REG_CC, CC_EN);
  driver_set (g, REG_DOORBELLS, 1);
  g_assert_cmphex (driver_get (g, REG_CSTS) & CSTS_CFS, ==, CSTS_CFS);
  driver_set (g, REG_CC, 0);
  driver_enable (g);
  driver_create (g, IO, 0);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_FLUSH }), ==, 0);
}

/* Admin commands */

static void
test_identify (Fixture *t, gconstpointer unused)
{
  const uint8_t *b = driver_memory (&t->g, DATA);

  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .cdw10 = 1 }), ==, 0);
  g_assert_cmpint (memcmp (b + 24, "Bunshin NVMe ", 13), ==, 0);
  g_assert_cmphex (pci_get_long (b + 80), ==, VERSION_1_4);
  g_assert_cmphex (b[512], ==, 0x66);
  g_assert_cmphex (b[513], ==, 0x44);
  g_assert_cmpuint (pci_get_long (b + 516), ==, NS);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .nsid = NS }), ==, 0);
  g_assert_cmpuint (pci_get_long (b), ==, SECTORS);
  g_assert_cmpuint (pci_get_long (b + 8), ==, SECTORS);
  g_assert_cmpuint (b[130], ==, 9);
  g_assert_cmpuint (b[99], ==, 0);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .nsid = SMALL }), ==, 0);
  g_assert_cmpuint (pci_get_long (b), ==, SMALL_SECTORS);
  g_assert_cmpuint (b[99], ==, 1);
  /* There is a hole in the numbers. */
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .nsid = 2 }), ==, 0);
  g_assert_cmpuint (pci_get_long (b), ==, 0);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .cdw10 = 2 }), ==, 0);
  g_assert_cmpuint (pci_get_long (b), ==, SMALL);
  g_assert_cmpuint (pci_get_long (b + 4), ==, NS);
  g_assert_cmpuint (pci_get_long (b + 8), ==, 0);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .nsid = 1, .cdw10 = 2 }), ==, 0);
  g_assert_cmpuint (pci_get_long (b), ==, NS);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .nsid = NS, .cdw10 = 3 }), ==, 0);
  g_assert_cmpuint (b[0], ==, 3);
  g_assert_cmpuint (b[1], ==, 16);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .nsid = 2, .cdw10 = 3 }), ==,
                   STATUS_INVALID_NAMESPACE);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .nsid = NS + 1 }), ==,
                   STATUS_INVALID_NAMESPACE);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = DATA, .cdw10 = 0x77 }), ==,
                   STATUS_INVALID_FIELD);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_IDENTIFY, .prp1 = OUTSIDE, .cdw10 = 1 }), ==,
                   STATUS_DATA_TRANSFER);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = 0x7e }), ==, STATUS_INVALID_OPCODE);
}

static void
test_queues (Fixture *t, gconstpointer unused)
{
  const struct
  {
    uint8_t opcode;
    uint64_t prp1;
    uint32_t cdw10, cdw11;
    uint16_t status;
  } cases[] = {
    { OP_CREATE_CQ, DATA, 0x000f0000, 3, STATUS_QUEUE_ID },      { OP_CREATE_CQ, DATA, 0x000f0001, 3, STATUS_QUEUE_ID },
    { OP_CREATE_CQ, DATA, 0x000f0000 | NVME_QUEUES, 3, STATUS_QUEUE_ID },
    { OP_CREATE_CQ, DATA, 0x00000002, 3, STATUS_QUEUE_SIZE },    { OP_CREATE_CQ, DATA, 0x04000002, 3, STATUS_QUEUE_SIZE },
    { OP_CREATE_CQ, DATA, 0x000f0002, 2, STATUS_INVALID_FIELD }, { OP_CREATE_CQ, DATA + 8, 0x000f0002, 3, STATUS_PRP_OFFSET },
    { OP_CREATE_CQ, DATA, 0x000f0002, NVME_QUEUES << 16 | 3, STATUS_VECTOR },
    { OP_CREATE_SQ, DATA, 0x000f0002, 2 << 16 | 1, STATUS_CQ_INVALID },
    { OP_CREATE_SQ, DATA, 0x000f0002, 0 << 16 | 1, STATUS_CQ_INVALID },
    { OP_CREATE_SQ, DATA, 0x000f0001, 1 << 16 | 1, STATUS_QUEUE_ID },
    { OP_CREATE_SQ, DATA, 0xffff0002, 1 << 16 | 1, STATUS_QUEUE_SIZE },
    { OP_DELETE_CQ, 0, IO, 0, STATUS_QUEUE_DELETION },           { OP_DELETE_CQ, 0, 0, 0, STATUS_QUEUE_ID },
    { OP_DELETE_SQ, 0, 0, 0, STATUS_QUEUE_ID },                  { OP_DELETE_SQ, 0, 2, 0, STATUS_QUEUE_ID },
    { OP_DELETE_SQ, 0, 0xffff, 0, STATUS_QUEUE_ID },
  };

  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmphex (admin (t, (DriverCommand) { .opcode = cases[i].opcode, .prp1 = cases[i].prp1, .cdw10 = cases[i].cdw10,
                                                 .cdw11 = cases[i].cdw11 }), ==, cases[i].status);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_DELETE_SQ, .cdw10 = IO }), ==, 0);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_DELETE_CQ, .cdw10 = IO }), ==, 0);
  driver_create (&t->g, IO, 2);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_FLUSH }), ==, 0);
}

/* What is under way when its queue goes away is answered, and touches nothing any more. */
static void
test_delete_busy (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;
  uint16_t cid = driver_put (g, IO, &(DriverCommand) { .opcode = OP_READ, .nsid = NS, .prp1 = DATA, .cdw12 = 7 });
  DriverAnswer answer;

  driver_ring (g, IO);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_DELETE_SQ, .cdw10 = IO }), ==, 0);
  memset (driver_memory (g, DATA), UNTOUCHED, NVME_PAGE);
  g_assert_true (driver_poll (g, IO, &answer));
  g_assert_cmphex (answer.cid, ==, cid);
  g_assert_cmphex (answer.status, ==, STATUS_SQ_DELETED);
  settle (t);
  for (unsigned i = 0; i < NVME_PAGE; i++)
    g_assert_cmphex (driver_memory (g, DATA)[i], ==, UNTOUCHED);
}

static void
test_features (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;
  uint32_t result;

  g_assert_cmphex (driver_run (g, ADMIN, &(DriverCommand) { .opcode = OP_GET_FEATURES, .cdw10 = FEATURE_QUEUES }, &result), ==, 0);
  g_assert_cmphex (result, ==, 0x000f000f);
  /* Too late: there are queues. */
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_SET_FEATURES, .cdw10 = FEATURE_QUEUES, .cdw11 = 0x10001 }), ==,
                   STATUS_SEQUENCE);
  g_assert_cmphex (driver_run (g, ADMIN, &(DriverCommand) { .opcode = OP_GET_FEATURES, .cdw10 = FEATURE_WRITE_CACHE }, &result), ==, 0);
  g_assert_cmphex (result, ==, 1);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_SET_FEATURES, .cdw10 = FEATURE_WRITE_CACHE, .cdw11 = 0 }), ==, 0);
  g_assert_cmphex (driver_run (g, ADMIN, &(DriverCommand) { .opcode = OP_GET_FEATURES, .cdw10 = FEATURE_WRITE_CACHE }, &result), ==, 0);
  g_assert_cmphex (result, ==, 0);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_SET_FEATURES, .cdw10 = 1u << 31 | FEATURE_EVENTS }), ==,
                   STATUS_NOT_SAVEABLE);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_SET_FEATURES, .cdw10 = 0x55 }), ==, STATUS_INVALID_FIELD);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_GET_FEATURES, .cdw10 = 0x55 }), ==, STATUS_INVALID_FIELD);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_GET_FEATURES, .cdw10 = FEATURE_VECTOR, .cdw11 = 99 }), ==,
                   STATUS_INVALID_FIELD);
  g_assert_cmphex (driver_run (g, ADMIN, &(DriverCommand) { .opcode = OP_ABORT, .cdw10 = 5 << 16 | IO }, &result), ==, 0);
  g_assert_cmpuint (result, ==, 1);
  /* A reset brings the defaults back. */
  driver_set (g, REG_CC, 0);
  driver_enable (g);
  g_assert_cmphex (driver_run (g, ADMIN, &(DriverCommand) { .opcode = OP_GET_FEATURES, .cdw10 = FEATURE_WRITE_CACHE }, &result), ==, 0);
  g_assert_cmphex (result, ==, 1);
}

static void
test_events (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;
  DriverAnswer answer;
  uint16_t cid[EVENTS_MAX + 1];

  for (unsigned i = 0; i <= EVENTS_MAX; i++)
    cid[i] = driver_put (g, ADMIN, &(DriverCommand) { .opcode = OP_EVENT });
  driver_ring (g, ADMIN);
  answer = driver_wait (g, ADMIN);
  g_assert_cmphex (answer.cid, ==, cid[EVENTS_MAX]);
  g_assert_cmphex (answer.status, ==, STATUS_EVENT_LIMIT);
  /* A doorbell of no queue, then a value of no entry: told once until the log is read. */
  driver_set (g, REG_DOORBELLS + 8 * 5, 1);
  answer = driver_wait (g, ADMIN);
  g_assert_cmphex (answer.result, ==, 1 << 16);
  driver_set (g, REG_DOORBELLS + 8 * IO, 500);
  g_assert_false (driver_poll (g, ADMIN, &answer));
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_GET_LOG, .prp1 = DATA, .cdw10 = 15 << 16 | 1 }), ==, 0);
  driver_set (g, REG_DOORBELLS + 8 * IO, 500);
  answer = driver_wait (g, ADMIN);
  g_assert_cmphex (answer.result, ==, 1 << 16 | 1 << 8);
  /* It is warmer than the guest likes. */
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_SET_FEATURES, .cdw10 = FEATURE_EVENTS, .cdw11 = 2 }), ==, 0);
  driver_put (g, ADMIN, &(DriverCommand) { .opcode = OP_SET_FEATURES, .cdw10 = FEATURE_TEMPERATURE, .cdw11 = 280 });
  driver_ring (g, ADMIN);
  answer = driver_wait (g, ADMIN);
  /* The event came while the command ran, so the order is not ours to say. */
  if (answer.result == 0)
    answer = driver_wait (g, ADMIN);
  else
    driver_wait (g, ADMIN);
  g_assert_cmphex (answer.result, ==, 2 << 16 | 1 << 8 | 1);
}

static void
test_logs (Fixture *t, gconstpointer unused)
{
  const uint8_t *b = driver_memory (&t->g, DATA);

  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .cdw12 = 7 }), ==, 0);
  memset (driver_memory (&t->g, DATA), 0xee, NVME_PAGE);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_GET_LOG, .prp1 = DATA, .cdw10 = 127 << 16 | 2 }), ==, 0);
  g_assert_cmpuint (pci_get_word (b + 1), ==, TEMPERATURE);
  g_assert_cmpuint (pci_get_long (b + 32), ==, 1);
  g_assert_cmpuint (pci_get_long (b + 64), ==, 1);
  g_assert_cmphex (b[512], ==, 0xee);
  /* In parts, and beyond its end. */
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_GET_LOG, .prp1 = DATA, .cdw10 = 0 << 16 | 2, .cdw12 = 64 }), ==, 0);
  g_assert_cmpuint (pci_get_long (b), ==, 1);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_GET_LOG, .prp1 = DATA, .cdw10 = 2, .cdw12 = 516 }), ==,
                   STATUS_INVALID_FIELD);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_GET_LOG, .prp1 = DATA, .cdw10 = 0xffff0003, .cdw11 = 0xffff }), ==, 0);
  g_assert_cmpuint (b[0], ==, 1);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_GET_LOG, .prp1 = DATA, .cdw10 = 0x99 }), ==, STATUS_LOG_PAGE);
}

/* I/O commands */

static void
test_read_write (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;

  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA + 0x200, .cdw10 = 5, .cdw12 = 0 }), ==, 0);
  expect_content (t, DATA + 0x200, 5 * NVME_SECTOR, NVME_SECTOR);
  /* Over two pages, the first of them begun at an odd place. */
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA + 0xe04, .prp2 = DATA + 0x2000, .cdw10 = 9,
                                            .cdw12 = 7 }), ==, 0);
  expect_content (t, DATA + 0xe04, 9 * NVME_SECTOR, 0x1fc);
  expect_content (t, DATA + 0x2000, 9 * NVME_SECTOR + 0x1fc, 0x1000 - 0x1fc);
  memset (driver_memory (g, DATA), 0x5a, NVME_PAGE);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_WRITE, .prp1 = DATA, .cdw10 = 16, .cdw12 = 7 }), ==, 0);
  expect_on_disk (t, 16 * NVME_SECTOR, 0x5a, 8 * NVME_SECTOR);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_WRITE, .prp1 = DATA, .cdw10 = 24, .cdw12 = FUA | 7 }), ==, 0);
  expect_on_disk (t, 24 * NVME_SECTOR, 0x5a, 8 * NVME_SECTOR);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_FLUSH }), ==, 0);
}

/* A list of pages that goes on in another. */
static void
test_list (Fixture *t, gconstpointer unused)
{
  enum { PAGES = 40, ROOM = 5 };
  uint32_t first = LIST + NVME_PAGE - 8 * ROOM, second = LIST + 2 * NVME_PAGE;

  for (unsigned i = 0; i < PAGES - 1; i++)
    poke64 (t, i < ROOM - 1 ? first + 8 * i : second + 8 * (i - ROOM + 1), DATA + (PAGES - i) * NVME_PAGE);
  poke64 (t, first + 8 * (ROOM - 1), second);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .prp2 = first, .cdw10 = 100,
                                            .cdw12 = PAGES * 8 - 1 }), ==, 0);
  expect_content (t, DATA, 100 * NVME_SECTOR, NVME_PAGE);
  for (unsigned i = 0; i < PAGES - 1; i++)
    expect_content (t, DATA + (PAGES - i) * NVME_PAGE, 100 * NVME_SECTOR + (i + 1) * NVME_PAGE, NVME_PAGE);
  /* A page that does not begin where pages begin, and a list that is nowhere. */
  poke64 (t, second, DATA + 4);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .prp2 = first, .cdw12 = PAGES * 8 - 1 }), ==,
                   STATUS_PRP_OFFSET);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .prp2 = OUTSIDE, .cdw12 = PAGES * 8 - 1 }), ==,
                   STATUS_DATA_TRANSFER);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .prp2 = first + 4, .cdw12 = PAGES * 8 - 1 }), ==,
                   STATUS_PRP_OFFSET);
}

static void
test_refused (Fixture *t, gconstpointer unused)
{
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .cdw10 = SECTORS - 1, .cdw12 = 1 }), ==,
                   STATUS_LBA_RANGE);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .cdw10 = G_MAXUINT32, .cdw11 = G_MAXUINT32 }), ==,
                   STATUS_LBA_RANGE);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .cdw12 = 0xffff }), ==, STATUS_INVALID_FIELD);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA + 2 }), ==, STATUS_PRP_OFFSET);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = OUTSIDE }), ==, STATUS_DATA_TRANSFER);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_WRITE, .prp1 = OUTSIDE }), ==, STATUS_DATA_TRANSFER);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .nsid = 2, .prp1 = DATA }), ==, STATUS_INVALID_NAMESPACE);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_FLUSH, .nsid = G_MAXUINT32 }), ==, STATUS_INVALID_NAMESPACE);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_WRITE, .nsid = SMALL, .prp1 = DATA }), ==, STATUS_READ_ONLY);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_ZEROES, .nsid = SMALL }), ==, STATUS_READ_ONLY);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .nsid = SMALL, .prp1 = DATA }), ==, 0);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = 0x7d }), ==, STATUS_INVALID_OPCODE);
}

static void
put_range (Fixture *t, unsigned i, uint64_t lba, uint32_t blocks)
{
  poke64 (t, DATA + 16 * i, (uint64_t) blocks << 32);
  poke64 (t, DATA + 16 * i + 8, lba);
}

static void
test_zero_and_discard (Fixture *t, gconstpointer unused)
{
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_ZEROES, .cdw10 = 32, .cdw12 = 15 }), ==, 0);
  expect_on_disk (t, 32 * NVME_SECTOR, 0, 16 * NVME_SECTOR);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_ZEROES, .cdw10 = SECTORS - 2, .cdw12 = 2 }), ==, STATUS_LBA_RANGE);
  put_range (t, 0, 64, 8);
  put_range (t, 1, 1024, 64);
  put_range (t, 2, 0, 0);
  /* Without the word it is a hint, which changes nothing. */
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_DSM, .prp1 = DATA, .cdw10 = 2 }), ==, 0);
  expect_on_disk (t, 64 * NVME_SECTOR, content (64 * NVME_SECTOR), 1);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_DSM, .prp1 = DATA, .cdw10 = 2, .cdw11 = DEALLOCATE }), ==, 0);
  expect_on_disk (t, 64 * NVME_SECTOR, 0, 8 * NVME_SECTOR);
  expect_on_disk (t, 1024 * NVME_SECTOR, 0, 64 * NVME_SECTOR);
  put_range (t, 1, SECTORS - 1, 2);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_DSM, .prp1 = DATA, .cdw10 = 2, .cdw11 = DEALLOCATE }), ==,
                   STATUS_LBA_RANGE);
}

static void
test_compare (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;

  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA + 0x800, .prp2 = DATA + 0x1000, .cdw12 = 7 }), ==, 0);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_COMPARE, .prp1 = DATA + 0x800, .prp2 = DATA + 0x1000, .cdw12 = 7 }), ==, 0);
  driver_memory (g, DATA)[0x17ff] ^= 1;
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_COMPARE, .prp1 = DATA + 0x800, .prp2 = DATA + 0x1000, .cdw12 = 7 }), ==,
                   STATUS_COMPARE_FAILED);
}

/* More commands than the completion queue has room for wait until the guest has looked. */
static void
test_full_queue (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;
  DriverPair *p = &g->pairs[IO];
  uint64_t seen = 0;

  /* Two submission queues, one completion queue. */
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_CREATE_SQ, .prp1 = DATA + 0x10000,
                                               .cdw10 = (DRIVER_ENTRIES - 1) << 16 | 2, .cdw11 = IO << 16 | 1 }), ==, 0);
  memset (driver_memory (g, DATA + 0x10000), 0, NVME_PAGE);
  for (unsigned i = 0; i < DRIVER_ENTRIES - 1; i++)
    {
      uint8_t *at = driver_memory (g, DATA + 0x10000 + i * COMMAND_SIZE);

      driver_put (g, IO, &(DriverCommand) { .opcode = OP_FLUSH, .nsid = NS });
      pci_set_word (at + 2, (uint16_t) (0x100 + i));
      pci_set_long (at + 4, NS);
    }
  driver_ring (g, IO);
  driver_set (g, REG_DOORBELLS + 8 * 2, DRIVER_ENTRIES - 1);
  for (unsigned done = 0; done < 2 * (DRIVER_ENTRIES - 1); done++)
    {
      const uint8_t *at = driver_memory (g, DRIVER_QUEUE_BASE + IO * 4 * NVME_PAGE + 2 * NVME_PAGE) + p->head * COMPLETION_SIZE;

      while ((pci_get_word (at + 14) & 1) != (p->phase ? 1 : 0))
        {
          disk_drain (t->disk);
          g_main_context_iteration (t->board->context, FALSE);
        }
      seen++;
      if (++p->head == DRIVER_ENTRIES)
        {
          p->head = 0;
          p->phase = !p->phase;
        }
      /* Slowly: one after the other. */
      driver_set (g, REG_DOORBELLS + 8 * IO + 4, p->head);
    }
  g_assert_cmpuint (seen, ==, 2 * (DRIVER_ENTRIES - 1));
}

static void
test_interrupts (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;
  uint8_t devfn = ((PciDevice *) g->dev)->devfn;
  DriverAnswer answer;

  /* By pin, as long as there is something to be seen. */
  driver_put (g, IO, &(DriverCommand) { .opcode = OP_FLUSH, .nsid = NS });
  g_assert_cmpint (t->board->level[DRIVER_IRQ], ==, 0);
  driver_ring (g, IO);
  while (t->board->level[DRIVER_IRQ] == 0)
    g_main_context_iteration (t->board->context, TRUE);
  driver_set (g, REG_INTMS, 2);
  g_assert_cmpint (t->board->level[DRIVER_IRQ], ==, 0);
  driver_set (g, REG_INTMC, 2);
  g_assert_cmpint (t->board->level[DRIVER_IRQ], ==, 1);
  g_assert_true (driver_poll (g, IO, &answer));
  g_assert_cmpint (t->board->level[DRIVER_IRQ], ==, 0);
  /* By message. */
  board_write (t->board, DRIVER_MSIX + 16, 0xfee00000, 4);
  board_write (t->board, DRIVER_MSIX + 24, 0x77, 4);
  board_write (t->board, DRIVER_MSIX + 28, 0, 4);
  pci_config_write (t->board->pci, 0, devfn, 0x42, 0x8000, 2);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_FLUSH }), ==, 0);
  g_assert_cmpuint (g->messages, ==, 1);
  g_assert_cmphex (g->message_data, ==, 0x77);
  g_assert_cmpint (t->board->level[DRIVER_IRQ], ==, 0);
}

static void
test_shutdown (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;

  driver_set (g, REG_CC, driver_get (g, REG_CC) | 1 << CC_SHN_SHIFT);
  g_assert_cmphex (driver_get (g, REG_CSTS) & CSTS_SHST, ==, CSTS_SHST_BUSY);
  while ((driver_get (g, REG_CSTS) & CSTS_SHST) != CSTS_SHST_DONE)
    g_main_context_iteration (t->board->context, TRUE);
  driver_set (g, REG_CC, 0);
  g_assert_cmphex (driver_get (g, REG_CSTS), ==, 0);
  driver_enable (g);
  driver_create (g, IO, 1);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_FLUSH }), ==, 0);
}

/* Memory that the disk may not reach itself. */
static void
test_buffered (Fixture *t, gconstpointer unused)
{
  ram_block_allow_dma (t->board->ram, FALSE);
  test_read_write (t, unused);
  test_list (t, unused);
}

/* Who watches the memory sees what was read into it, though the guest is not told of it, or never will be. */
static void
test_watched (Fixture *t, gconstpointer unused)
{
  RamBlock *ram = t->board->ram;

  ram_block_enable_dirty_log (ram, t->board->memory, 1);
  for (unsigned pass = 0; pass < 2; pass++)
    {
      uint32_t at = DATA + pass * 2 * NVME_PAGE;

      g_assert_cmpint (ram_block_dirty (ram)[at >> GUEST_PAGE_SHIFT], ==, 0);
      driver_put (&t->g, IO, &(DriverCommand) { .opcode = OP_READ, .nsid = NS, .prp1 = at, .cdw10 = 3, .cdw12 = 7 });
      driver_ring (&t->g, IO);
      disk_drain (t->disk);
      if (pass == 0)
        driver_wait (&t->g, IO);
      else
        driver_set (&t->g, REG_CC, 0);
      expect_content (t, at, 3 * NVME_SECTOR, NVME_PAGE);
      g_assert_cmpint (ram_block_dirty (ram)[at >> GUEST_PAGE_SHIFT], ==, 1);
      g_assert_cmpint (ram_block_dirty (ram)[(at >> GUEST_PAGE_SHIFT) + 1], ==, 0);
    }
  settle (t);
  ram_block_disable_dirty_log (ram);
}

static void
on_stall (Disk *disk, const GError *error, void *opaque)
{
  *(gboolean *) opaque = TRUE;
}

/* What waits for room is written when there is some; but not when the controller has been switched off before, or is no
 * more though others hold on to the disk. */
static void
test_stalled (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;
  struct rlimit old, limit;
  gboolean stalled = FALSE;
  uint8_t back[NVME_SECTOR];

  disk_set_stall_handler (t->disk, on_stall, &stalled);
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &old);
  limit = old;
  limit.rlim_cur = FAR / 2 * NVME_SECTOR;
  memset (driver_memory (g, DATA), UNTOUCHED, 2 * NVME_SECTOR);
  for (unsigned round = 0; round < 3; round++)
    {
      uint32_t sector = FAR + 2 * round;

      stalled = FALSE;
      g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
      for (unsigned i = 0; i < 2; i++)
        driver_put (g, IO, &(DriverCommand) { .opcode = OP_WRITE, .nsid = NS, .prp1 = DATA + i * NVME_SECTOR,
                                              .cdw10 = sector + i });
      driver_ring (g, IO);
      while (!stalled)
        g_main_context_iteration (t->board->context, TRUE);
      if (round == 1)
        driver_set (g, REG_CC, 0);
      else if (round == 2)
        {
          g_ptr_array_remove (t->board->devices, g->dev);
          device_free (g->dev);
        }
      g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
      disk_retry (t->disk);
      if (round == 0)
        for (unsigned i = 0; i < 2; i++)
          g_assert_cmphex (driver_wait (g, IO).status, ==, 0);
      settle (t);
      for (unsigned i = 0; i < 2; i++)
        {
          uint64_t at = (sector + i) * NVME_SECTOR;

          g_assert_cmpint (pread (t->fd, back, sizeof back, (off_t) at), ==, sizeof back);
          g_assert_cmphex (back[9], ==, round == 0 ? UNTOUCHED : content (at + 9));
        }
      if (round == 1)
        {
          driver_enable (g);
          driver_create (g, IO, 1);
        }
    }
}

/* Switched off, or reset, while commands are under way: they end nowhere. */
static void
test_reset_busy (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;
  uint8_t devfn = ((PciDevice *) g->dev)->devfn;

  for (unsigned round = 0; round < 12; round++)
    {
      for (unsigned i = 0; i < 8; i++)
        driver_put (g, IO, &(DriverCommand) { .opcode = OP_READ, .nsid = NS, .prp1 = DATA + i * NVME_PAGE, .cdw12 = 7 });
      driver_ring (g, IO);
      if (round % 3 == 1)
        device_reset (g->dev);
      else
        driver_set (g, REG_CC, 0);
      /* From here on the memory is somebody else's. */
      memset (driver_memory (g, DATA), UNTOUCHED, 8 * NVME_PAGE);
      settle (t);
      for (unsigned i = 0; i < 8 * NVME_PAGE; i++)
        g_assert_cmphex (driver_memory (g, DATA)[i], ==, UNTOUCHED);
      if (round % 3 == 1)
        {
          pci_config_write (t->board->pci, 0, devfn, 0x10, DRIVER_BASE, 4);
          pci_config_write (t->board->pci, 0, devfn, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
        }
      driver_enable (g);
      driver_create (g, IO, 1);
      g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .cdw12 = 7 }), ==, 0);
      expect_content (t, DATA, 0, NVME_PAGE);
    }
}

static void
test_state (Fixture *t, gconstpointer unused)
{
  Device *copy = new_device (t);

  board_add (t->board, copy);
  g_assert_cmphex (admin (t, (DriverCommand) { .opcode = OP_SET_FEATURES, .cdw10 = FEATURE_WRITE_CACHE, .cdw11 = 0 }), ==, 0);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_READ, .prp1 = DATA, .cdw12 = 7 }), ==, 0);
  board_check_state (t->board, t->g.dev, copy, STATE_ROUNDS);
}

/* A command under way is done again by whoever loads the state. */
static void
test_state_busy (Fixture *t, gconstpointer unused)
{
  NvmeDriver *g = &t->g;
  Device *copy = new_device (t), *old = g->dev;
  g_autoptr (GByteArray) state = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  uint16_t cid;
  size_t used;

  board_add (t->board, copy);
  memset (driver_memory (g, DATA), 0x77, NVME_PAGE);
  cid = driver_put (g, IO, &(DriverCommand) { .opcode = OP_WRITE, .nsid = NS, .prp1 = DATA, .cdw10 = 200, .cdw12 = 7 });
  driver_ring (g, IO);
  device_save (old, state);
  /* Its entry has been reused, and the old one must not answer. */
  memset (driver_memory (g, DRIVER_QUEUE_BASE + IO * 4 * NVME_PAGE), 0xff, COMMAND_SIZE);
  driver_set (g, REG_CC, 0);
  disk_drain (t->disk);
  while (g_main_context_iteration (t->board->context, FALSE))
    ;
  pci_config_write (t->board->pci, 0, ((PciDevice *) old)->devfn, PCI_COMMAND, 0, 2);
  g_assert_true (device_load (copy, state->data, state->len, &used, &error));
  g_assert_no_error (error);
  g->dev = copy;
  g_assert_cmphex (driver_wait (g, IO).cid, ==, cid);
  expect_on_disk (t, 200 * NVME_SECTOR, 0x77, 8 * NVME_SECTOR);
  g_assert_cmphex (io (t, (DriverCommand) { .opcode = OP_FLUSH }), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, set_up, function) g_test_add ("/nvme/" path, Fixture, NULL, set_up, function, teardown)
  ADD ("registers", setup_off, test_registers);
  ADD ("bad-memory", setup_off, test_bad_memory);
  ADD ("identify", setup, test_identify);
  ADD ("queues", setup, test_queues);
  ADD ("delete-busy", setup, test_delete_busy);
  ADD ("features", setup, test_features);
  ADD ("events", setup, test_events);
  ADD ("logs", setup, test_logs);
  ADD ("read-write", setup, test_read_write);
  ADD ("list", setup, test_list);
  ADD ("refused", setup, test_refused);
  ADD ("zero-and-discard", setup, test_zero_and_discard);
  ADD ("compare", setup, test_compare);
  ADD ("full-queue", setup, test_full_queue);
  ADD ("interrupts", setup, test_interrupts);
  ADD ("shutdown", setup, test_shutdown);
  ADD ("reset-busy", setup, test_reset_busy);
  ADD ("buffered", setup, test_buffered);
  ADD ("watched", setup, test_watched);
  ADD ("stalled", setup, test_stalled);
  ADD ("state", setup, test_state);
  ADD ("state-busy", setup, test_state_busy);
  return g_test_run ();
}
