// SPDX-License-Identifier: LGPL-2.1-or-later
/* progress: tell the listener, hear whether to stop. */
#include "formats/base/progress.h"

int progress_report(const struct progress *p, uint64_t done, uint64_t total, struct err *err)
{
	if (p && p->report && p->report(p->opaque, done, total))
		return err_set(err, ECANCELED, "interrupted");
	return 0;
}
