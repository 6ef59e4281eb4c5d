/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of verbs, with their help, and how the program turns results into an exit status. */

#include "app/cli.h"
#include "app/manager.h"
#include "ui/ui.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

const CliCommand cli_commands[] = {
  { "create", cli_create,
    "create NAME [--os ID] [--memory 1G] [--cpus 2] [--firmware bios] [--chipset piix3]\n"
    "        [--disk 20G|none] [--disk-format vdi|vmdk|vhd|vhdx|hdd|qcow2|raw] [--disk-variant dynamic|fixed]\n"
    "        [--controller ide|ahci|virtio|scsi|nvme] [--attach FILE]... [--iso FILE] [--floppy FILE]\n"
    "        [--nic nat|nat:host-access|none]... [--nic-model e1000] [--accel auto|kvm|jit|interp] [--cpu-model MODEL]",
    N_("make a new machine"),
    /* xgettext:no-c-format */
    N_("Makes a machine with a new disk of 20G, unless --disk says otherwise or --attach names existing images,\n"
       "an empty CD drive and a network adapter behind NAT. Prints the machine's UUID.\n\n"
       "--os is the operating system by libosinfo's short name. Disks get the controller that it has a driver for, or IDE\n"
       "where that is not known; --controller says otherwise. --disk-format is the new image's format, vdi if left out, and\n"
       "--disk-variant whether it grows as needed (dynamic) or has all its space at once (fixed). --iso and --floppy put a\n"
       "medium in. Each --nic is an adapter; with nat:host-access the guest reaches servers of this computer's loopback at the\n"
       "gateway's address; --nic-model is what the guest takes them for. --memory, --cpus, --cpu-model, --accel, --firmware\n"
       "and --chipset are what “bunshin set” calls by these names. An image may also lie on a server:\n"
       "nbd://host[:port][/export] or iscsi://[user%password@]host[:port]/target/number.\n\n"
       "  bunshin create debian --os debian12 --memory 2G --iso debian-12.iso") },
  { "list", cli_list, "list [--json]", N_("list the machines"),
    N_("One line a machine: name, UUID, state, memory. With --json one document for programs.\n\n"
       "  bunshin list") },
  { "show", cli_show, "show NAME [--json]", N_("show a machine's settings"),
    N_("Prints every setting, and the state. With --json as one document for programs.\n\n"
       "  bunshin show debian --json") },
  { "set", cli_set, "set NAME KEY=VALUE...", N_("change a machine's settings"),
    N_("Keys: name, description, os, memory, cpus, cpu-model, accel, code-cache (what translated code may take,\n"
       "16M to 4G), firmware, chipset, boot (of floppy, disk, cdrom and network, in order), clock (utc or local),\n"
       "iso and floppy (FILE, or none to eject), ide0 to ide3, ahci0 to ahci29 and scsi0 to scsi15 (a disk's FILE,\n"
       "cdrom, cdrom:FILE or none), virtio0 to virtio15 and nvme0 to nvme15 (a disk's FILE or none), of each disk's\n"
       "place -cache (writeback, or none: past this computer's cache) and -trust (on: files that the image names are\n"
       "opened wherever they are), as in ide0-cache, nic1 to nic8 (nat, nat:host-access or none), and of each adapter\n"
       "nicN-model, nicN-mac and nicN-cable (on or off), auto-snapshots (off, before-disc: before a disc that the\n"
       "machine has not had, every:30m or every:2h of running, or both: before-disc,every:2h), auto-snapshots-keep (how\n"
       "many of those there may be) and auto-snapshots-space (how much space they may take, as in 10G): beyond that the\n"
       "oldest of them go. On a running machine: name, description, os, iso, floppy, nicN-cable and auto-snapshots, the\n"
       "discs of CD drives, and disks on ahciN and scsiN, which come and go; all others need it powered off.\n\n"
       "  bunshin set debian memory=2G boot=cdrom,disk iso=debian-12.iso") },
  { "delete", cli_delete, "delete NAME [--keep-disks]", N_("delete a machine and its disks"),
    N_("Deletes the machine, its snapshots, and those disk images and discs in its own folder that no other machine uses.\n"
       "Images elsewhere stay. With --keep-disks only the machine and its snapshots go.\n\n"
       "  bunshin delete debian --keep-disks") },
  { "start", cli_start,
    "start NAME [--headless] [--serial FILE|stdio|pty|unix:PATH] [--discard [--snapshot SNAP] [--no-network]] [--perf-map]",
    N_("power a machine on"),
    N_("Returns when the machine runs; with --serial stdio, when it has ended. Without --headless its window\n"
       "opens. --serial connects the first serial port to a file, this terminal (Ctrl-] powers off), a new\n"
       "pseudo-terminal, whose name is printed, or a listening socket. --perf-map names translated code in\n"
       "/tmp/perf-PID.map, for perf.\n\n"
       "--discard makes it a test drive, of the present state or of snapshot SNAP: when the machine is off again, what\n"
       "was changed is thrown away, unless “bunshin drive” has kept it. A window asks. --no-network pulls its cables meanwhile.\n\n"
       "  bunshin start debian --headless\n"
       "  bunshin start debian --discard --snapshot installed") },
  { "pause", cli_pause, "pause NAME", N_("let a machine stand still"),
    N_("The guest's clock stands still too.\n\n"
       "  bunshin pause debian") },
  { "resume", cli_resume, "resume NAME", N_("let a paused machine go on"),
    N_("Also when it paused by itself because a disk was full: what could not be written is tried again.\n\n"
       "  bunshin resume debian") },
  { "reset", cli_reset, "reset NAME", N_("press the reset button"),
    N_("The guest gets no chance to save anything.\n\n"
       "  bunshin reset debian") },
  { "power-button", cli_power_button, "power-button NAME", N_("press the power button"),
    N_("Asks the guest to shut down, by ACPI. Whether it does is up to the guest.\n\n"
       "  bunshin power-button debian && bunshin wait debian --state powered-off") },
  { "power-off", cli_power_off, "power-off NAME", N_("pull the plug"),
    N_("The guest gets no chance to save anything. Returns when the disks are closed. After a test drive with a window that\n"
       "asks what becomes of it, the answer is not waited for.\n\n"
       "  bunshin power-off debian") },
  { "save", cli_save, "save NAME", N_("write a machine's state to disk and switch it off"),
    N_("The next start goes on from there. Until then its settings stay as they are.\n\n"
       "  bunshin save debian && bunshin start debian") },
  { "discard-state", cli_discard_state, "discard-state NAME", N_("throw a saved state away"),
    N_("The next start begins with the firmware, as after pulling the plug.\n\n"
       "  bunshin discard-state debian") },
  { "wait", cli_wait, "wait NAME --state STATE [--timeout S]", N_("wait until a machine is in a state"),
    N_("--state is powered-off, starting, running, paused, saving, saved or stopping. Fails after --timeout S seconds; without\n"
       "it there is no limit. A window that asks what becomes of a test drive is not waited for: the machine is off.\n\n"
       "  bunshin wait debian --state powered-off --timeout 60") },
  { "screenshot", cli_screenshot, "screenshot NAME FILE.png|FILE.txt", N_("save what a machine shows"),
    N_("A .txt file gets the cells of a text-mode screen as UTF-8 lines.\n\n"
       "  bunshin screenshot debian screen.png") },
  { "type", cli_type, "type NAME TEXT", N_("type a text"),
    N_("On a US keyboard. In TEXT \\n is Enter, \\t Tab, \\e Escape, \\b Backspace and \\\\ a backslash.\n\n"
    "  bunshin type debian 'root\\n'") },
  { "key", cli_key, "key NAME KEYS", N_("press keys together"),
    N_("KEYS are names joined by dashes: ctrl, alt, shift, super, menu, esc, enter, tab, space, backspace,\n"
       "delete, insert, home, end, pageup, pagedown, up, down, left, right, print, pause, capslock, numlock,\n"
       "scrolllock, f1 to f12, kp0 to kp9, letters, digits and signs.\n\n"
       "  bunshin key debian ctrl-alt-delete") },
  { "mouse", cli_mouse, "mouse NAME X Y [click|double|right]", N_("move the pointer, and click"),
    N_("X and Y are pixels of the screen from its top left corner.\n\n"
       "  bunshin mouse debian 320 200 click") },
  { "info", cli_info, "info NAME [--json]", N_("show live figures of a running machine"),
    N_("Accelerator, guest time, exits, what the translator did and left to the interpreter, and the counters of\n"
       "disks and network. With --json one document for programs.\n\n"
       "  bunshin info debian") },
  { "snapshot", cli_snapshot,
    "snapshot take NAME SNAP [--description T]\n"
    "  bunshin snapshot list NAME [--json]\n"
    "  bunshin snapshot restore NAME SNAP [--keep TITLE]\n"
    "  bunshin snapshot delete NAME SNAP\n"
    "  bunshin snapshot edit NAME SNAP [--name N] [--description T]\n"
    "  bunshin snapshot changes NAME SNAP [SNAP2] [--json]\n"
    "  bunshin snapshot copy-out NAME [SNAP] DISK:PARTITION:/PATH FILE [--replace]",
    N_("take snapshots, go back to them"),
    N_("SNAP is a snapshot's name or UUID. take remembers what the machine is now: settings, disks and, while it runs,\n"
       "memory; it runs on meanwhile. restore puts it back to that, running or not; what it was until then is lost,\n"
       "unless --keep makes a snapshot TITLE of it first. list shows the tree; * marks the snapshot that the machine's\n"
       "present state comes from. delete takes one out of the tree, wherever it is; all others stay what they are. edit\n"
       "changes its --name or its --description, which is empty for none.\n"
       "changes lists the files that are different in SNAP2, or in the present state of a machine that is off, as read\n"
       "from its disks (ext2 to ext4, NTFS): what was done, the sizes before and after, and where. copy-out copies one out,\n"
       "of SNAP or the present state, and over an existing FILE only with --replace. With --json list and changes print one\n"
       "document for programs.\n\n"
       "  bunshin snapshot take debian installed --description 'with all updates'\n"
       "  bunshin snapshot restore debian installed --keep 'before going back'\n"
       "  bunshin snapshot copy-out debian installed ide0:1:/etc/fstab fstab") },
  { "clone", cli_clone, "clone NAME NEW [--linked] [--snapshot SNAP] [--keep-macs]", N_("make a machine like another"),
    N_("Of the machine as it is now, for which it has to be off, or of its snapshot SNAP. Its disks are copied; with\n"
       "--linked the new machine's disks hold only what differs, and those of NAME stay as long as they are needed.\n"
       "Adapters get new MAC addresses, unless --keep-macs. Prints the new machine's UUID.\n\n"
       "  bunshin clone debian web --linked --snapshot installed") },
  { "drive", cli_drive, "drive NAME discard|keep|keep-as SNAP", N_("end a test drive"),
    N_("Of a machine that was started with --discard. keep makes what it has changed so far its own, and the machine\n"
       "runs on as usual; keep-as takes the snapshot SNAP of it, too. discard powers it off and throws everything away.\n"
       "Of a test drive that came to a sudden end, each says what becomes of it.\n\n"
       "  bunshin drive debian keep-as tried-out") },
  { "disk", cli_disk,
    "disk create FILE --size S [--format F] [--variant V] [--backing FILE [--backing-format F]]\n"
    "  bunshin disk info FILE [--json]\n"
    "  bunshin disk convert SRC DST [--format F] [--variant V] [--source-format F] [--backing FILE]\n"
    "                       [--trust]\n"
    "  bunshin disk resize FILE SIZE [--shrink]\n"
    "  bunshin disk compact FILE\n"
    "  bunshin disk check FILE [--repair COPY]\n"
    "  bunshin disk compare A B [--trust]",
    N_("make disk images, look at them, change them"),
    N_("A new image never takes the place of an existing file, and has its name only when it is whole. Its format\n"
       "follows from the name when --format is left out; its --variant is dynamic or fixed, or a word of the format; --size is\n"
       "what the guest sees. With --backing it holds only what differs from that image, of which --backing-format says what it\n"
       "is where that is not to be found out by looking, as with raw. An image's own word on the files it is based on\n"
       "is taken only when they lie in its folder or below, or with --trust; convert --backing names another.\n\n"
       "convert reads SRC as --source-format where that is given. resize cuts off the end of a disk only with --shrink. compact\n"
       "gives back the room of zeros. check --repair leaves FILE as it is and repairs a copy. compare looks at contents,\n"
       "whatever the formats. info --json prints one document for programs.\n\n"
       "  bunshin disk create data.qcow2 --size 40G\n"
       "  bunshin disk convert server.vmdk server.qcow2\n"
       "  bunshin disk check server.qcow2 --repair repaired.qcow2") },
  { "import", cli_import,
    "import FILE [--name N] [--memory S] [--cpus N] [--disk-format F] [--keep-mac] [--trust]\n"
    "        [--dry-run [--json]]",
    N_("make machines of an appliance"),
    N_("FILE is an appliance (.ova or .ovf), or a machine of VirtualBox (.vbox), VMware (.vmx) or Parallels (.pvs or\n"
       "its .pvm folder). Its disks are copied into images of Bunshin's own; FILE and what belongs to it stay as they\n"
       "are. Digests in its manifest are checked before anything is made, and an import that fails leaves nothing.\n"
       "Prints the UUIDs of the new machines, and on standard error what is different from the appliance.\n\n"
       "--name, --memory and --cpus take the place of what FILE says; --disk-format is the new images', vdi if left out.\n"
       "--dry-run shows what would be made, licences included, with --json as one document for programs. --keep-mac keeps the\n"
       "adapters' MAC addresses. --trust follows disks that lie outside of FILE's folder.\n\n"
       "  bunshin import server.ova --name web --memory 2G") },
  { "export", cli_export,
    "export NAME... FILE.ova|FILE.ovf [--manifest sha256|sha1|none] [--ovf-version 1.0|2.0] [--discs]",
    N_("write machines as an appliance"),
    N_("Writes powered-off machines as an archive (.ova), or as a description with its disks beside it (.ovf), for\n"
       "other programs or other computers. Disks become compressed VMDK images. --discs takes along what is in the CD\n"
       "and floppy drives. --manifest is the kind of digests that others can check it by, sha256 if left out, and --ovf-version\n"
       "the form of the description, 1.0 if left out.\n\n"
       "  bunshin export debian debian.ova") },
  { "forward", cli_forward, "forward NAME add|remove tcp|udp:HOSTPORT:GUESTPORT [--nic N]\n"
    "  bunshin forward NAME list",
    N_("let a port of this computer lead to the guest"),
    N_("Of the first adapter behind NAT, or with --nic of adapter N. Before HOSTPORT and GUESTPORT an IPv4 address and a colon\n"
       "may stand; without one the port is open on this computer's loopback only. Works on a running machine\n"
       "too.\n\n"
       "  bunshin forward debian add tcp:2222:22") },
  { "run", cli_run,
    "run [--memory 512M] [--cpus 1] [--accel auto|kvm|jit|interp] [--cpu-model M] [--iso F] [--disk F]... [--floppy F]\n"
    "        [--bios F] [--kernel F [--initrd F] [--append S]] [--nic nat|nat:host-access|none]...\n"
    "        [--nic-model e1000] [--controller ide|ahci|virtio|scsi|nvme] [--headless] [--serial FILE|stdio|pty|unix:PATH]\n"
    "        [--debugcon FILE] [--debug-exit] [--screenshot FILE.png|FILE.txt]... [--type TEXT@SECONDS]...\n"
    "        [--timeout S] [--writable] [--info FILE] [--perf-map]",
    N_("run a throw-away machine"),
    N_("Nothing enters the library, and changes to disks are discarded unless --writable. --memory, --cpus, --accel, --cpu-model,\n"
       "--iso, --floppy, --nic, --nic-model and --controller are as with create; --disk is an existing image, --headless and\n"
       "--serial are as with start. --bios takes the place of the firmware; --kernel is booted directly, with --initrd and the\n"
       "command line of --append.\n\n"
       "--debugcon logs what the guest writes to port 0x402, and to 0x80 as “post XX” lines. --debug-exit adds the exit port\n"
       "0xf4: the status is (value << 1) | 1. --screenshot is written when the run ends. --type types a text that many\n"
       "seconds after power-on. --timeout ends the run with status 124. --info writes what “info --json” shows\n"
       "when the run ends; --perf-map names translated code in /tmp/perf-PID.map, for perf.\n\n"
       "  bunshin run --iso grub.iso --headless --serial stdio --timeout 60") },
  { "help", cli_help, "help [VERB]", N_("explain a verb"),
    N_("Without a VERB: lists them.\n\n"
       "  bunshin help create") },
  { NULL }
};

const CliCommand *
cli_find_command (const char *name)
{
  for (const CliCommand *command = cli_commands; command->name; command++)
    if (strcmp (command->name, name) == 0)
      return command;
  return NULL;
}

int
cli_help (char **args, GError **error)
{
  const Option options[] = { { NULL } };
  g_autoptr (GPtrArray) words = NULL;
  const CliCommand *command;
  const char *name;

  if (!options_parse (args, options, 0, 1, &words, error))
    return 1;
  name = g_ptr_array_index (words, 0);
  if (!name)
    {
      g_print ("%s\n\n", _("bunshin opens the manager. Or: bunshin VERB ..., where VERB is one of"));
      for (command = cli_commands; command->name; command++)
        g_print ("  %-13s %s\n", command->name, _(command->summary));
      g_print ("\n%s\n",
               _("bunshin help VERB explains one. NAME is a machine's name or UUID; sizes take K, M, G or T."));
      return 0;
    }
  command = cli_find_command (name);
  if (!command)
    {
      usage_error (error, _("there is no verb “%s”; “bunshin help” lists them"), name);
      return 1;
    }
  g_print ("bunshin %s\n\n%s\n", command->usage, _(command->details));
  return 0;
}

/* One line on standard error. */
static void
print_error (const char *verb, const char *message)
{
  g_autofree char *line = g_strdup (message);

  g_strdelimit (line, "\r\n", ' ');
  if (verb)
    fprintf (stderr, "bunshin: %s: %s\n", verb, line);
  else
    fprintf (stderr, "bunshin: %s\n", line);
}

static int
run_command (const CliCommand *command, char **args)
{
  g_autoptr (GError) error = NULL;
  int status;

  for (unsigned i = 0; args[i] != NULL && strcmp (args[i], "--") != 0; i++)
    if (strcmp (args[i], "--help") == 0)
      return run_command (cli_find_command ("help"), (char *[]) { (char *) command->name, NULL });

  status = command->run (args, &error);
  if (!error)
    return status;
  if (error->domain == CLI_USAGE_ERROR)
    {
      g_autofree char *hint = g_strdup_printf (_("%s (see “bunshin help %s”)"), error->message, command->name);

      print_error (command->name, cli_find_command (command->name) ? hint : error->message);
      return 2;
    }
  print_error (command->name, error->message);
  return 1;
}

/* Text goes out as UTF-8, whatever the locale can show: names come back as they went in. */
static void
print_as_is (const char *text)
{
  fputs (text, stdout);
}

int
cli_main (int argc, char **argv)
{
  /* These are no part of the command line that scripts rely on: machines are started by the program itself. */
  static const CliCommand hidden[] = { { "machine", cli_machine }, { "debug", cli_debug } };
  const CliCommand *command;

  ui_init_translations ();
  g_set_prgname ("bunshin");
  g_set_print_handler (print_as_is);
  if (argc < 2)
    {
      g_autoptr (GError) error = NULL;
      int status = manager_run (&error);

      if (error)
        print_error (NULL, error->message);
      return error ? 1 : status;
    }
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0)
    return run_command (cli_find_command ("help"), argv + 2);
  if (strcmp (argv[1], "--version") == 0)
    {
      g_print ("bunshin " BUNSHIN_VERSION "\n");
      return 0;
    }
  command = cli_find_command (argv[1]);
  for (unsigned i = 0; i < G_N_ELEMENTS (hidden); i++)
    if (strcmp (argv[1], hidden[i].name) == 0)
      command = &hidden[i];
  if (!command)
    {
      g_autofree char *message = g_strdup_printf (_("there is no verb “%s”; “bunshin help” lists them"), argv[1]);

      print_error (NULL, message);
      return 2;
    }
  return run_command (command, argv + 2);
}
