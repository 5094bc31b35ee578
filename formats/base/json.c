// SPDX-License-Identifier: LGPL-2.1-or-later
/* json: text of unknown encoding as a JSON string. */
#include "formats/base/json.h"

#include "formats/base/str.h"

json_t *json_text(const char *s)
{
	_auto_str_ struct str out = STR_INIT;
	json_t *j = s ? json_string(s) : json_null();

	if (j)
		return j;
	for (; *s; s++) {
		if ((unsigned char)*s < 0x80)
			str_addc(&out, *s);
		else
			str_addf(&out, "\\x%02x", (unsigned char)*s);
	}
	return json_string(out.s);
}

json_t *json_texts(char *const *list)
{
	json_t *array = json_array();

	strv_foreach (s, list)
		json_array_append_new(array, json_text(*s));
	return array;
}
