// SPDX-License-Identifier: LGPL-2.1-or-later
/* util: the cleanup functions. */
#include "formats/base/util.h"

#include <stdlib.h>
#include <unistd.h>

void mem_autop(void *p)
{
	free(*(void **)p);
}

void fd_autop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
