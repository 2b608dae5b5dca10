/* SPDX-License-Identifier: Apache-2.0 */
/* `rivulet config`: judges and shows configuration files; needs no broker. */
#include "cli/command.h"

#include <stdio.h>

static int run_config(int argc, char **argv)
{
	(void)argv;
	return rv__usage_error(&rv__command_config, argc < 2 ? "nothing to do" : "unknown word");
}

const struct rv__command rv__command_config = {
    .name = "config",
    .summary = "check, show and explain configuration files",
    .usage = "usage: rivulet config check FILE…\n",
    .run = run_config,
};
