/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commands: one const struct per subcommand, each in the file of its name. */
#pragma once

#include "cli/cli.h"

extern const struct command command_check;
extern const struct command command_copy;
extern const struct command command_features;
extern const struct command command_info;
extern const struct command command_serve;
extern const struct command command_convert;
extern const struct command command_inspect;
extern const struct command command_plan;
