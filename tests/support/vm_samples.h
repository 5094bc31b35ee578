/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm_samples: machines for testing codecs: from the plainest to one with everything, and some
 * whose disks want the same places.
 */
#pragma once

#include "formats/vm/vmspec.h"

/* The sample of that number, named "sample-N"; NULL behind the last. */
struct vmspec *vm_sample(unsigned n);
