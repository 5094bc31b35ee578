// SPDX-License-Identifier: LGPL-2.1-or-later
/* xml: what the reader gives back and refuses, what the writer escapes. */
#include "tests/unit/test.h"

#include "formats/base/xml.h"

static int parse(struct xml **doc, const char *text, struct err *err)
{
	return xml_parse(doc, text, strlen(text), "t.xml", err);
}

static void elements_attributes_and_text_go_by_local_name(void **state)
{
	_auto_(xml) struct xml *doc = NULL;
	struct err err = {0};
	const struct xml_node *root, *b;

	assert_ok(parse(&doc,
		"<?xml version='1.0'?>\n<x:a xmlns:x='urn:1' xmlns='urn:2'>\n"
		"  <b x:id='1' y='&lt;&#65;'> one </b><c/><b id='2'><![CDATA[<two>]]></b>\n"
		"</x:a>",
		&err));
	root = xml_root(doc);
	assert_string_equal(xml_name(root), "a");
	b = xml_child(root, "b");
	assert_string_equal(xml_attr(b, "id"), "1");
	assert_string_equal(xml_attr(b, "y"), "<A");
	assert_null(xml_attr(b, "z"));
	assert_string_equal(xml_text(b), "one");
	assert_int_equal(xml_line(b), 3);
	b = xml_next(b, "b");
	assert_string_equal(xml_text(b), "<two>");
	assert_null(xml_next(b, "b"));
	assert_string_equal(xml_name(xml_child(root, NULL)), "b");
}

static void the_first_of_two_attributes_of_one_local_name_counts(void **state)
{
	_auto_(xml) struct xml *doc = NULL;
	struct err err = {0};

	assert_ok(parse(&doc, "<a xmlns:o='1' xmlns:v='2' o:id='x' v:id='y'/>", &err));
	assert_string_equal(xml_attr(xml_root(doc), "id"), "x");
}

static void an_undeclared_prefix_is_tolerated(void **state)
{
	_auto_(xml) struct xml *doc = NULL;
	struct err err = {0};

	assert_ok(parse(&doc, "<a><vmw:Config vmw:key='k'/></a>", &err));
	assert_string_equal(xml_attr(xml_child(xml_root(doc), "Config"), "key"), "k");
}

static void a_missing_node_has_nothing(void **state)
{
	assert_null(xml_child(NULL, "a"));
	assert_null(xml_next(NULL, NULL));
	assert_null(xml_attr(NULL, "a"));
	assert_null(xml_path(NULL, "a/b"));
	assert_string_equal(xml_text(NULL), "");
	assert_string_equal(xml_name(NULL), "");
}

static void a_path_leads_through_children(void **state)
{
	_auto_(xml) struct xml *doc = NULL;
	struct err err = {0};

	assert_ok(parse(&doc, "<a><b/><b><c>t</c></b><d><c>u</c></d></a>", &err));
	assert_string_equal(xml_text(xml_path(xml_root(doc), "d/c")), "u");
	assert_null(xml_path(xml_root(doc), "d/x"));
}

static void other_encodings_become_utf8(void **state)
{
	static const char latin1[] = "<?xml version='1.0' encoding='iso-8859-1'?><a>\xe4</a>";
	static const char utf16[] = "\xff\xfe<\0a\0>\0\xe4\0<\0/\0a\0>\0";
	_auto_(xml) struct xml *one = NULL, *two = NULL;
	struct err err = {0};

	assert_ok(parse(&one, latin1, &err));
	assert_string_equal(xml_text(xml_root(one)), "\xc3\xa4");
	assert_ok(xml_parse(&two, utf16, sizeof(utf16) - 1, "t.xml", &err));
	assert_string_equal(xml_text(xml_root(two)), "\xc3\xa4");
}

static void bad_documents_are_refused_with_their_line(void **state)
{
	static const struct {
		const char *text;
		const char *part;
	} rows[] = {
		{"", "empty"},
		{"   ", "t.xml"},
		{"hello", "line 1"},
		{"<a>", "line 1"},
		{"<a>\n<b>\n</a>", "line 3"},
		{"<a/><b/>", "line 1"},
		{"<a b='1' b='2'/>", "line 1"},
		{"<a>&nbsp;</a>", "line 1"},
		{"<a>\x01</a>", "line 1"},
		{"<a>\xff</a>", "line 1"},
		{"<a b=1/>", "line 1"},
		{"<!DOCTYPE a><a/>", "document type"},
		{"\n<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "line 2: a document type"},
		{"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "document type"},
		{"<!DOCTYPE a [<!ENTITY % p SYSTEM 'http://localhost/'> %p;]><a/>",
			"document type"},
		{"<!DOCTYPE a [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"
		 "<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]><a>&c;</a>",
			"document type"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_auto_(xml) struct xml *doc = NULL;
		struct err err = {0};

		assert_fails(parse(&doc, rows[i].text, &err), EINVAL, rows[i].part);
		assert_null(doc);
	}
}

static void every_truncation_is_refused(void **state)
{
	static const char text[] = "<a x='1'><b>t&amp;</b><!-- c --><?p i?><c/></a>";
	struct err err = {0};

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		_auto_(xml) struct xml *doc = NULL;

		assert_int_equal(xml_parse(&doc, text, n, "t.xml", &err), -EINVAL);
	}
}

static void limits_hold(void **state)
{
	_auto_str_ struct str deep = STR_INIT, ok = STR_INIT, many = STR_INIT;
	_auto_(mem) char *big = NULL;
	_auto_(xml) struct xml *doc = NULL;
	struct err err = {0};

	for (int i = 0; i < XML_DEPTH_MAX; i++)
		str_add(&ok, "<a>");
	str_add(&deep, ok.s);
	str_add(&deep, "<a/>");
	for (int i = 0; i < XML_DEPTH_MAX; i++) {
		str_add(&ok, "</a>");
		str_add(&deep, "</a>");
	}
	assert_ok(parse(&doc, ok.s, &err));
	xml_free(STEAL(doc));
	assert_fails(parse(&doc, deep.s, &err), EINVAL, "nested too deeply");

	str_add(&many, "<a>");
	for (int i = 0; i < XML_NODES_MAX; i++)
		str_add(&many, "<b/>");
	str_add(&many, "</a>");
	assert_fails(parse(&doc, many.s, &err), EINVAL, "too many elements");
	str_clear(&many);
	str_add(&many, "<a");
	while (many.len < XML_GAP_MAX)
		str_addf(&many, " a%zu='>'", many.len);
	str_add(&many, "/>");
	assert_fails(parse(&doc, many.s, &err), EINVAL, "bytes at byte 1 without a tag");

	big = xcalloc(XML_BYTES_MAX + 1, 1);
	memset(big, ' ', XML_BYTES_MAX + 1);
	memcpy(big, "<a>", 3);
	for (size_t off = XML_GAP_MAX; off < XML_BYTES_MAX; off += XML_GAP_MAX)
		memcpy(big + off, "<b/>", 4);
	memcpy(big + XML_BYTES_MAX - 4, "</a>", 4);
	assert_ok(xml_parse(&doc, big, XML_BYTES_MAX, "t.xml", &err));
	xml_free(STEAL(doc));
	assert_fails(xml_parse(&doc, big, XML_BYTES_MAX + 1, "t.xml", &err), EINVAL, "8388609");
}

static void the_writer_indents_and_closes(void **state)
{
	struct xml_writer w = XML_WRITER_INIT;
	_auto_(mem) char *text = NULL;

	xml_begin(&w, "a");
	xml_begin(&w, "b");
	xml_put_attr(&w, "n", "%d", 7);
	xml_end(&w);
	xml_put(&w, "c", "%s", "t");
	xml_put(&w, "d", "%s", "");
	xml_begin(&w, "e");
	xml_put_attr(&w, "k", "v");
	xml_begin(&w, "f");
	text = xml_writer_end(&w);
	assert_string_equal(text,
		"<a>\n  <b n=\"7\"/>\n  <c>t</c>\n  <d/>\n  <e k=\"v\">\n    <f/>\n  </e>\n</a>\n");
}

static void what_is_written_is_read_back_the_same(void **state)
{
	static const char *const texts[] = {
		"plain",
		"<&>\"'",
		"tab\tline\nreturn\r.",
		"]]>",
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		"&amp;",
		"a  b",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct xml_writer w = XML_WRITER_INIT;
		_auto_(mem) char *text = NULL;
		_auto_(xml) struct xml *doc = NULL;
		struct err err = {0};

		xml_begin(&w, "a");
		xml_put_attr(&w, "x", "%s", texts[i]);
		xml_put_text(&w, "%s", texts[i]);
		text = xml_writer_end(&w);
		assert_ok(parse(&doc, text, &err));
		assert_string_equal(xml_attr(xml_root(doc), "x"), texts[i]);
		assert_string_equal(xml_text(xml_root(doc)), texts[i]);
	}
}

static void bytes_that_xml_cannot_hold_become_question_marks(void **state)
{
	static const struct {
		const char *in;
		const char *out;
	} rows[] = {
		{"a\x01z", "a?z"},
		{"\xff", "?"},
		{"\xc3", "?"},                /* cut */
		{"\xc0\xaf", "??"},           /* overlong */
		{"\xe0\x80\xaf", "???"},      /* overlong */
		{"\xed\xa0\x80", "???"},      /* surrogate */
		{"\xef\xbf\xbe", "???"},      /* U+FFFE */
		{"\xf4\x90\x80\x80", "????"}, /* beyond Unicode */
		{"\x7f", "\x7f"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct xml_writer w = XML_WRITER_INIT;
		_auto_(mem) char *text = NULL;
		_auto_(xml) struct xml *doc = NULL;
		struct err err = {0};

		xml_put(&w, "a", "%s", rows[i].in);
		text = xml_writer_end(&w);
		assert_ok(parse(&doc, text, &err));
		assert_string_equal(xml_text(xml_root(doc)), rows[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_attributes_and_text_go_by_local_name),
		cmocka_unit_test(the_first_of_two_attributes_of_one_local_name_counts),
		cmocka_unit_test(an_undeclared_prefix_is_tolerated),
		cmocka_unit_test(a_missing_node_has_nothing),
		cmocka_unit_test(a_path_leads_through_children),
		cmocka_unit_test(other_encodings_become_utf8),
		cmocka_unit_test(bad_documents_are_refused_with_their_line),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(the_writer_indents_and_closes),
		cmocka_unit_test(what_is_written_is_read_back_the_same),
		cmocka_unit_test(bytes_that_xml_cannot_hold_become_question_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
