// SPDX-License-Identifier: LGPL-2.1-or-later
/* opt: parsing of command lines. */
#include "tests/unit/test.h"

#include "cli/opt.h"
#include "formats/base/str.h"

struct fields {
	bool flag;
	char *directory, *choice;
	char **list;
	uint64_t size;
	unsigned number;
};

static const char *const choices[] = {"one", "two", NULL};

static const struct opt table[] = {
	{"-f", "--flag", OPT_FLAG, offsetof(struct fields, flag), NULL, ""},
	{"-os", NULL, OPT_STRING, offsetof(struct fields, directory), "DIR", ""},
	{"-o", NULL, OPT_CHOICE, offsetof(struct fields, choice), "MODE", "",
		.choices = choices},
	{NULL, "--network", OPT_STRINGS, offsetof(struct fields, list), "NAME", ""},
	{NULL, "--size", OPT_SIZE, offsetof(struct fields, size), "SIZE", ""},
	{NULL, "--number", OPT_UINT, offsetof(struct fields, number), "N", "", .min = 2,
		.max = 9},
	{0},
};

static int parse(struct fields *f, const char *const *argv, char ***args, struct err *err)
{
	*f = (struct fields){0};
	*args = NULL;
	return opt_parse((char **)argv, table, f, NULL, NULL, args, err);
}

static void options_and_arguments_mix(void **state)
{
	const char *argv[] = {"a.ova", "-os", "dir", "--flag", "-o", "two", "--network", "x",
		"--network=y", "--size", "10G", "--number=9", "b.ova", "--", "-os", NULL};
	struct fields f;
	struct err err = {0};
	char **args;

	assert_ok(parse(&f, argv, &args, &err));
	assert_true(f.flag);
	assert_string_equal(f.directory, "dir");
	assert_string_equal(f.choice, "two");
	assert_int_equal(f.size, 10 * GiB);
	assert_int_equal(f.number, 9);
	assert_int_equal(strv_len(f.list), 2);
	assert_string_equal(f.list[1], "y");
	assert_int_equal(strv_len(args), 3);
	assert_string_equal(args[0], "a.ova");
	assert_string_equal(args[1], "b.ova");
	assert_string_equal(args[2], "-os");
	free(args);
	opt_free(table, &f);
}

static void a_dash_alone_is_an_argument(void **state)
{
	const char *argv[] = {"-", NULL};
	struct fields f;
	struct err err = {0};
	char **args;

	assert_ok(parse(&f, argv, &args, &err));
	assert_string_equal(args[0], "-");
	free(args);
}

static void a_wrong_command_line_is_explained(void **state)
{
	static const struct {
		const char *argv[4];
		const char *says;
	} cases[] = {
		{{"--netwrok", "x"}, "no option --netwrok; did you mean --network?"},
		{{"--netw", "x"}, "did you mean --network?"},
		{{"--zzzzzzzzzzzz"}, "no option --zzzzzzzzzzzz"},
		{{"-osx", "dir"}, "no option -osx; did you mean -os?"},
		{{"-os"}, "-os needs a value: DIR"},
		{{"--flag=1"}, "--flag takes no value"},
		{{"-o", "three"}, "-o: 'three' is not one of one, two"},
		{{"--size", "big"}, "--size: 'big' is not a size"},
		{{"--number", "1"}, "--number: '1' is not a number from 2 to 9"},
		{{"--number", "10"}, "from 2 to 9"},
		{{"--number", "-3"}, "from 2 to 9"},
	};
	struct fields f;
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *argv[5] = {0};
		char **args;

		memcpy(argv, cases[i].argv, sizeof(cases[i].argv));
		assert_fails(parse(&f, argv, &args, &err), EINVAL, cases[i].says);
		free(args);
		opt_free(table, &f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_arguments_mix),
		cmocka_unit_test(a_dash_alone_is_an_argument),
		cmocka_unit_test(a_wrong_command_line_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
