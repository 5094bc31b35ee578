/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json: text as JSON. JSON is UTF-8, but names of files, guests and devices are bytes: whoever puts
 * one into a document passes it through here, or jansson makes no document at all of it.
 *
 * Threads: any.
 */
#pragma once

#include <jansson.h>

/* A new string (the caller's reference); null for NULL. Text that is not UTF-8 is shown with its
 * bytes above 0x7f as \xNN. */
json_t *json_text(const char *s);

/* The same of each string of a strv, as an array; NULL is the empty list. */
json_t *json_texts(char *const *list);
