/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Function 3 of the PIIX4: power management.
 * Specification: Intel 82371AB data sheet (290562-001), chapter 7; ACPI 6.4,
 * chapter 4.8 (fixed hardware).
 */

#include "engine/devices/platform/piix4-pm.h"

#include "engine/devices/platform/piix3.h"
#include "engine/machine/acpi.h"

enum
{
  REG_PMBASE = 0x40, REG_DEVACTB = 0x58, REG_PMREGMISC = 0x80, REG_SMBBASE = 0x90, REG_SMBHSTCFG = 0xd2,
  DEVACTB_APMC_EN = 1 << 25, PMREGMISC_ENABLE = 1 << 0, SMBHSTCFG_ENABLE = 1 << 0,
  PM_SIZE = 64, PM1_STATUS = 0, PM1_ENABLE = 2, PM1_CONTROL = 4, PM_TIMER = 8,
  PM1_TIMER = 1 << 0, PM1_GLOBAL = 1 << 5, PM1_POWER_BUTTON = 1 << 8, PM1_RTC = 1 << 10, PM1_WAKE = 1 << 15,
  PM1_EVENTS = PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_RTC,
  CONTROL_SCI_ENABLE = 1 << 0, CONTROL_SLEEP = 1 << 13, CONTROL_SLEEP_TYPE_SHIFT = 10, SLEEP_TYPE_OFF = 0,
  GPE_SIZE = 4, SMB_SIZE = 16, SMB_STATUS = 0, SMB_CONTROL = 2, SMB_STATUS_DEVICE_ERROR = 1 << 2, SMB_CONTROL_START = 1 << 6,
  APM_CONTROL = 0, TIMER_HZ = 3579545, TIMER_BITS = 24
};

typedef struct
{
  PciDevice parent;
  IrqLine sci;
  void (*power_off) (void *opaque);
  void *power_off_opaque;
  ClockTimer *overflow;

  uint16_t mapped_pm, mapped_smb;  /* 0: not mapped */
  uint16_t status, enable, control;
  int64_t half_seen;               /* halves of the timer's range that status knows of */
  uint8_t apm_control, apm_status;
  uint8_t gpe[GPE_SIZE];           /* status, status, enable, enable */
  uint8_t smb[SMB_SIZE];
} Piix4Pm;

static int64_t
timer_ticks (Piix4Pm *d)
{
  return (int64_t) ((__int128) clock_now (d->parent.parent.env.clock) * TIMER_HZ / CLOCK_NS_PER_SECOND);
}

static void
update_sci (Piix4Pm *d)
{
  irq_set (&d->sci, d->control & CONTROL_SCI_ENABLE && d->status & d->enable & PM1_EVENTS);
}

/* TMR_STS is set whenever the timer's top bit changes. Nobody is woken for that while there is no interrupt to be had. */
static void
sync_status (Piix4Pm *d)
{
  int64_t half = timer_ticks (d) >> (TIMER_BITS - 1);

  if (half != d->half_seen)
    d->status |= PM1_TIMER;
  d->half_seen = half;
}

static void
schedule_overflow (Piix4Pm *d)
{
  int64_t half = (int64_t) 1 << (TIMER_BITS - 1), next;

  if (!(d->enable & PM1_TIMER))
    {
      clock_timer_cancel (d->overflow);
      return;
    }
  next = (timer_ticks (d) / half + 1) * half;
  clock_timer_arm (d->overflow, (int64_t) (((__int128) next * CLOCK_NS_PER_SECOND + TIMER_HZ - 1) / TIMER_HZ));
}

static void
overflowed (void *opaque)
{
  Piix4Pm *d = opaque;

  sync_status (d);
  update_sci (d);
  schedule_overflow (d);
}

static void
write_control (Piix4Pm *d, uint16_t value)
{
  d->control = value & ~(uint16_t) CONTROL_SLEEP;
  update_sci (d);
  if (value & CONTROL_SLEEP && (value >> CONTROL_SLEEP_TYPE_SHIFT & 7) == SLEEP_TYPE_OFF && d->power_off != NULL)
    d->power_off (d->power_off_opaque);
}

/* The registers as doublewords at @offset, which is a multiple of 4. */
static uint32_t
pm_register (Piix4Pm *d, uint16_t offset)
{
  switch (offset)
    {
    case PM1_STATUS:
      sync_status (d);
      return d->status | (uint32_t) d->enable << 16;
    case PM1_CONTROL:
      return d->control;
    case PM_TIMER:
      return (uint32_t) timer_ticks (d) & ((1u << TIMER_BITS) - 1);
    default:
      return 0;
    }
}

static uint32_t
pm_read (void *opaque, uint16_t offset, unsigned size)
{
  unsigned shift = 8 * (offset & 3);
  uint32_t value = pm_register (opaque, offset & ~3) >> shift;

  /* An access that is not aligned. */
  if (8 * size + shift > 32)
    value |= pm_register (opaque, (uint16_t) ((offset & ~3) + 4)) << (32 - shift);
  return value;
}

static void
write_byte (Piix4Pm *d, uint16_t offset, uint8_t value)
{
  unsigned shift = 8 * (offset & 1);
  uint16_t wide = (uint16_t) (value << shift), kept = (uint16_t) (0xff00 >> shift);

  switch (offset & ~1)
    {
    case PM1_STATUS:
      sync_status (d);
      d->status &= (uint16_t) ~wide;
      break;
    case PM1_ENABLE:
      d->enable = (uint16_t) ((d->enable & kept) | (wide & PM1_EVENTS));
      break;
    case PM1_CONTROL:
      write_control (d, (uint16_t) ((d->control & kept) | wide));
      break;
    default:
      break;
    }
}

static void
pm_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Piix4Pm *d = opaque;

  for (unsigned i = 0; i < size; i++)
    write_byte (d, (uint16_t) (offset + i), (uint8_t) (value >> (8 * i)));
  schedule_overflow (d);
  update_sci (d);
}

static const PioOps pm_ops = { .read = pm_read, .write = pm_write, .min_size = 1, .max_size = 4 };

static uint32_t
gpe_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((Piix4Pm *) opaque)->gpe[offset];
}

static void
gpe_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Piix4Pm *d = opaque;

  if (offset < GPE_SIZE / 2)
    d->gpe[offset] &= (uint8_t) ~value;
  else
    d->gpe[offset] = (uint8_t) value;
}

static const PioOps gpe_ops = { .read = gpe_read, .write = gpe_write };

/* APM: the port through which systems switch ACPI on. */

static uint32_t
apm_read (void *opaque, uint16_t offset, unsigned size)
{
  Piix4Pm *d = opaque;

  return offset == APM_CONTROL ? d->apm_control : d->apm_status;
}

static void
apm_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Piix4Pm *d = opaque;

  if (offset != APM_CONTROL)
    {
      d->apm_status = (uint8_t) value;
      return;
    }
  d->apm_control = (uint8_t) value;
  if (value == ACPI_ENABLE_COMMAND)
    d->control |= CONTROL_SCI_ENABLE;
  else if (value == ACPI_DISABLE_COMMAND)
    d->control &= (uint16_t) ~CONTROL_SCI_ENABLE;
  update_sci (d);
}

static const PioOps apm_ops = { .read = apm_read, .write = apm_write };

/* The SMBus host has no devices on its bus: every transaction ends with a device error. */

static uint32_t
smb_read (void *opaque, uint16_t offset, unsigned size)
{
  return ((Piix4Pm *) opaque)->smb[offset];
}

static void
smb_write (void *opaque, uint16_t offset, uint32_t value, unsigned size)
{
  Piix4Pm *d = opaque;

  if (offset == SMB_STATUS)
    {
      d->smb[SMB_STATUS] &= (uint8_t) ~value;
      return;
    }
  d->smb[offset] = (uint8_t) value;
  if (offset == SMB_CONTROL)
    {
      d->smb[SMB_CONTROL] &= (uint8_t) ~SMB_CONTROL_START;
      if (value & SMB_CONTROL_START)
        d->smb[SMB_STATUS] |= SMB_STATUS_DEVICE_ERROR;
    }
}

static const PioOps smb_ops = { .read = smb_read, .write = smb_write };

static void
unmap_range (Piix4Pm *d, uint16_t *mapped, uint16_t base)
{
  if (*mapped == base || *mapped == 0)
    return;
  bus_remove_pio (d->parent.parent.env.bus, *mapped, d);
  *mapped = 0;
}

static void
map_range (Piix4Pm *d, uint16_t *mapped, uint16_t base, uint16_t size, const PioOps *ops)
{
  if (*mapped == base)
    return;
  *mapped = base;
  bus_map_pio (d->parent.parent.env.bus, base, size, ops, d);
}

static void
update_ranges (Piix4Pm *d)
{
  const uint8_t *config = d->parent.config;
  uint16_t pm = pci_get_word (config + REG_PMBASE) & 0xffc0, smb = pci_get_word (config + REG_SMBBASE) & 0xfff0;

  if (!(config[REG_PMREGMISC] & PMREGMISC_ENABLE))
    pm = 0;
  /* Never over the power management registers: the two are told apart by their base when unmapped, and so one leaves
   * its place before the other takes it. */
  if (!(config[REG_SMBHSTCFG] & SMBHSTCFG_ENABLE) || smb == pm)
    smb = 0;
  unmap_range (d, &d->mapped_pm, pm);
  unmap_range (d, &d->mapped_smb, smb);
  map_range (d, &d->mapped_pm, pm, PM_SIZE, &pm_ops);
  map_range (d, &d->mapped_smb, smb, SMB_SIZE, &smb_ops);
}

static void
config_written (PciDevice *dev, unsigned offset, unsigned size)
{
  update_ranges ((Piix4Pm *) dev);
}

static gboolean
piix4_pm_realize (Device *dev, const DeviceEnv *env, GError **error)
{
  Piix4Pm *d = (Piix4Pm *) dev;

  if (!pci_device_init (&d->parent, env, PIIX3_SLOT << 3 | 3, 0x8086, 0x7113, 0x0680, error))
    return FALSE;
  if (!bus_add_pio (env->bus, ACPI_SMI_COMMAND, 2, &apm_ops, d, error) ||
      !bus_add_pio (env->bus, ACPI_GPE0_BASE, GPE_SIZE, &gpe_ops, d, error))
    {
      bus_remove_pio (env->bus, ACPI_SMI_COMMAND, d);
      pci_device_exit (&d->parent);
      return FALSE;
    }
  d->parent.config[PCI_REVISION_ID] = 3;
  d->parent.config[PCI_INTERRUPT_PIN] = 1;
  d->parent.config_written = config_written;
  pci_set_long (d->parent.wmask + REG_PMBASE, 0xffc0);
  d->parent.wmask[REG_PMREGMISC] = 0x0f;
  pci_set_long (d->parent.wmask + REG_DEVACTB, 0xffffffff);
  pci_set_long (d->parent.wmask + REG_SMBBASE, 0xfff0);
  d->parent.wmask[REG_SMBHSTCFG] = 0x0f;
  d->overflow = clock_timer_new (env->clock, overflowed, d);
  return TRUE;
}

static void
piix4_pm_reset (Device *dev)
{
  Piix4Pm *d = (Piix4Pm *) dev;

  pci_device_reset (&d->parent);
  pci_set_long (d->parent.config + REG_PMBASE, 1);
  d->parent.config[REG_PMREGMISC] = 0;
  /* SMIs count as set up already, so that the firmware does not wait for one: there is no SMM here. */
  pci_set_long (d->parent.config + REG_DEVACTB, DEVACTB_APMC_EN);
  pci_set_long (d->parent.config + REG_SMBBASE, 1);
  d->parent.config[REG_SMBHSTCFG] = 0;
  d->status = d->enable = d->control = 0;
  d->half_seen = timer_ticks (d) >> (TIMER_BITS - 1);
  d->apm_control = d->apm_status = 0;
  for (unsigned i = 0; i < GPE_SIZE; i++)
    d->gpe[i] = 0;
  for (unsigned i = 0; i < SMB_SIZE; i++)
    d->smb[i] = 0;
  update_ranges (d);
  schedule_overflow (d);
  update_sci (d);
}

static void
piix4_pm_before_save (Device *dev)
{
  sync_status ((Piix4Pm *) dev);
}

static gboolean
piix4_pm_after_load (Device *dev, GError **error)
{
  Piix4Pm *d = (Piix4Pm *) dev;

  pci_device_loaded (&d->parent);
  update_ranges (d);
  schedule_overflow (d);
  update_sci (d);
  return TRUE;
}

static void
piix4_pm_unrealize (Device *dev)
{
  Piix4Pm *d = (Piix4Pm *) dev;

  clock_timer_free (d->overflow);
  unmap_range (d, &d->mapped_pm, 0);
  unmap_range (d, &d->mapped_smb, 0);
  bus_remove_pio (dev->env.bus, ACPI_SMI_COMMAND, d);
  bus_remove_pio (dev->env.bus, ACPI_GPE0_BASE, d);
  pci_device_exit (&d->parent);
}

static const StateField piix4_pm_fields[] = {
  PCI_STATE_FIELDS (Piix4Pm), STATE_U16 (Piix4Pm, status), STATE_U16 (Piix4Pm, enable), STATE_U16 (Piix4Pm, control),
  STATE_I64 (Piix4Pm, half_seen), STATE_U8 (Piix4Pm, apm_control), STATE_U8 (Piix4Pm, apm_status),
  STATE_U8 (Piix4Pm, gpe), STATE_U8 (Piix4Pm, smb), STATE_END
};

const DeviceType piix4_pm_type = {
  .name = "piix4-pm", .size = sizeof (Piix4Pm), .version = 1, .fields = piix4_pm_fields,
  .realize = piix4_pm_realize, .reset = piix4_pm_reset, .before_save = piix4_pm_before_save,
  .after_load = piix4_pm_after_load, .unrealize = piix4_pm_unrealize
};

void
piix4_pm_set_outputs (Device *dev, IrqLine sci, void (*power_off) (void *opaque), void *opaque)
{
  Piix4Pm *d = (Piix4Pm *) dev;

  d->sci = sci;
  d->power_off = power_off;
  d->power_off_opaque = opaque;
}

void
piix4_pm_press_power_button (Device *dev)
{
  Piix4Pm *d = (Piix4Pm *) dev;

  d->status |= PM1_POWER_BUTTON;
  update_sci (d);
}
