// SPDX-License-Identifier: LGPL-2.1-or-later
/* main: finds the subcommand. */
#include <stdio.h>

int main(int argc, char **argv)
{
	puts("wherry " WHERRY_VERSION);
	return 0;
}
