/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The firmware configuration device: named blobs for the firmware, by port and by DMA. */
#pragma once

#include "engine/devices/device.h"

extern const DeviceType fw_cfg_type;

/* Keys with a fixed meaning. */
enum
{
  FW_CFG_SIGNATURE = 0x00, FW_CFG_ID = 0x01, FW_CFG_UUID = 0x02, FW_CFG_RAM_SIZE = 0x03, FW_CFG_NOGRAPHIC = 0x04,
  FW_CFG_NB_CPUS = 0x05, FW_CFG_KERNEL_ADDR = 0x07, FW_CFG_KERNEL_SIZE = 0x08, FW_CFG_INITRD_ADDR = 0x0a,
  FW_CFG_INITRD_SIZE = 0x0b, FW_CFG_NUMA = 0x0d, FW_CFG_BOOT_MENU = 0x0e, FW_CFG_MAX_CPUS = 0x0f, FW_CFG_KERNEL_ENTRY = 0x10,
  FW_CFG_KERNEL_DATA = 0x11, FW_CFG_INITRD_DATA = 0x12, FW_CFG_CMDLINE_ADDR = 0x13, FW_CFG_CMDLINE_SIZE = 0x14,
  FW_CFG_CMDLINE_DATA = 0x15, FW_CFG_SETUP_ADDR = 0x16, FW_CFG_SETUP_SIZE = 0x17, FW_CFG_SETUP_DATA = 0x18,
  FW_CFG_FILE_DIR = 0x19, FW_CFG_FILE_FIRST = 0x20, FW_CFG_KEY_COUNT = 0x100,
  /* 0x8000 and up are of the architecture. */
  FW_CFG_ARCH = 0x8000, FW_CFG_IRQ0_OVERRIDE = 0x8002, FW_CFG_ARCH_COUNT = 0x10,
  FW_CFG_FILE_NAME_SIZE = 56
};

/* Before the guest runs. Data is copied, or a reference taken; a key or name that exists is replaced. */
void fw_cfg_add_bytes (Device *dev, uint16_t key, GBytes *data);
void fw_cfg_add_u16 (Device *dev, uint16_t key, uint16_t value);
void fw_cfg_add_u32 (Device *dev, uint16_t key, uint32_t value);
void fw_cfg_add_u64 (Device *dev, uint16_t key, uint64_t value);
/* @name has at most FW_CFG_FILE_NAME_SIZE - 1 bytes. */
void fw_cfg_add_file (Device *dev, const char *name, GBytes *data);
