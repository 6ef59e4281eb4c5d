/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bunshin: the manager, the command line and the machine's process are one program. */

#include "app/cli.h"

int
main (int argc, char **argv)
{
  return cli_main (argc, argv);
}
