// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * xml: a small tree from libxml2's SAX2 events, and a writer. The tree is ours, so that the
 * limits are counted while parsing, and libxml2 stays in this file.
 */
#include "formats/base/xml.h"

#include <assert.h>
#include <ctype.h>
#include <libxml/parser.h>
#include <libxml/SAX2.h>

struct attr {
	char *name;
	char *value;
};

struct xml_node {
	char *name;
	struct xml_node *parent, *child, *last, *next;
	struct attr *attrs;
	unsigned n_attrs;
	unsigned line;
	struct str text;
};

struct xml {
	struct xml_node *root;
};

/* The state of one parse. */
struct parse {
	xmlParserCtxtPtr ctxt;
	struct xml *doc;
	struct xml_node *open; /* the innermost open element */
	unsigned depth;
	unsigned nodes;
	const char *name;
	struct err *err;
	int r; /* the first error */
};

static void fail(struct parse *p, const char *why)
{
	if (p->r < 0)
		return;
	p->r = err_set(
		p->err, EINVAL, "%s: line %d: %s", p->name, xmlSAX2GetLineNumber(p->ctxt), why);
	xmlStopParser(p->ctxt);
}

static void on_doctype(
	void *opaque, const xmlChar *name, const xmlChar *ext, const xmlChar *sys)
{
	fail(opaque, "a document type declaration is not allowed here");
}

static void on_error(void *opaque, xmlErrorPtr e)
{
	struct parse *p = opaque;
	char text[200];
	size_t len;

	/* Warnings and unknown prefixes do no harm: namespaces are dropped anyway. */
	if (p->r < 0 || e->level <= XML_ERR_WARNING || e->domain == XML_FROM_NAMESPACE)
		return;
	snprintf(text, sizeof(text), "%s", e->message ? e->message : "not well-formed XML");
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = 0;
	p->r = err_set(p->err, EINVAL, "%s: line %d: %s", p->name, e->line, text);
	xmlStopParser(p->ctxt);
}

static void on_start(void *opaque, const xmlChar *local, const xmlChar *prefix,
	const xmlChar *uri, int n_ns, const xmlChar **ns, int n_attrs, int n_default,
	const xmlChar **attrs)
{
	struct parse *p = opaque;
	struct xml_node *n;

	if (p->r < 0)
		return;
	if (++p->depth > XML_DEPTH_MAX) {
		fail(p, "elements are nested too deeply");
		return;
	}
	if (n_attrs < 0 || (unsigned)n_attrs >= XML_NODES_MAX - p->nodes) {
		fail(p, "too many elements and attributes");
		return;
	}
	p->nodes += 1 + (unsigned)n_attrs;
	n = xnew(struct xml_node);
	n->text = (struct str)STR_INIT;
	n->name = xstrdup((const char *)local);
	n->line = (unsigned)xmlSAX2GetLineNumber(p->ctxt);
	n->parent = p->open;
	if (!p->open)
		p->doc->root = n;
	else if (p->open->last)
		p->open->last->next = n;
	else
		p->open->child = n;
	if (p->open)
		p->open->last = n;
	p->open = n;
	/* SAX2 hands over five pointers per attribute: name, prefix, URI, value, its end. */
	n->attrs = xcalloc((size_t)n_attrs, sizeof(*n->attrs));
	for (int i = 0; i < n_attrs; i++) {
		const xmlChar **a = attrs + 5 * (size_t)i;

		n->attrs[i].name = xstrdup((const char *)a[0]);
		n->attrs[i].value = xstrndup((const char *)a[3], (size_t)(a[4] - a[3]));
		n->n_attrs++;
	}
}

static void on_end(
	void *opaque, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	struct parse *p = opaque;
	struct xml_node *n = p->open;
	size_t from = 0;

	if (p->r < 0 || !n)
		return;
	while (n->text.len && isspace((unsigned char)n->text.s[n->text.len - 1]))
		n->text.s[--n->text.len] = 0;
	while (isspace((unsigned char)n->text.s[from]))
		from++;
	if (from) {
		memmove(n->text.s, n->text.s + from, n->text.len - from + 1);
		n->text.len -= from;
	}
	p->open = n->parent;
	p->depth--;
}

static void on_text(void *opaque, const xmlChar *text, int len)
{
	struct parse *p = opaque;

	if (p->r >= 0 && p->open && len > 0)
		str_addn(&p->open->text, text, (size_t)len);
}

/*
 * libxml2 compares each attribute of a tag with all others before we hear of any. '<' cannot
 * stand in an attribute, so the distance between two of them bounds the tag and that work.
 */
static int check_gaps(const char *text, size_t len, const char *name, struct err *err)
{
	for (size_t off = 0; off < len;) {
		const char *next = memchr(text + off, '<', len - off);
		size_t gap = next ? (size_t)(next - text) - off : len - off;

		if (gap > XML_GAP_MAX)
			return err_set(err, EINVAL,
				"%s: %zu bytes at byte %zu without a tag; %llu are allowed",
				name, gap, off, (unsigned long long)XML_GAP_MAX);
		off += gap + 1;
	}
	return 0;
}

int xml_parse(struct xml **ret, const char *text, size_t len, const char *name, struct err *err)
{
	xmlSAXHandler sax = {
		.initialized = XML_SAX2_MAGIC,
		.internalSubset = on_doctype,
		.startElementNs = on_start,
		.endElementNs = on_end,
		.characters = on_text,
		.cdataBlock = on_text,
		.serror = on_error,
	};
	_auto_(xml) struct xml *doc = xnew(struct xml);
	struct parse p = {.doc = doc, .name = name, .err = err};

	if (len > XML_BYTES_MAX)
		return err_set(err, EINVAL,
			"%s: %zu bytes of XML are more than the %llu allowed", name, len,
			(unsigned long long)XML_BYTES_MAX);
	if (!len)
		return err_set(err, EINVAL, "%s: empty", name);
	if (check_gaps(text, len, name, err) < 0)
		return -EINVAL;
	p.ctxt = xmlCreatePushParserCtxt(&sax, &p, NULL, 0, NULL);
	if (!p.ctxt)
		return err_set(err, ENOMEM, "%s: no memory for the XML parser", name);
	/* Nothing is loaded. NOENT has attributes come with "&amp;" resolved; there are no other
	 * entities, because on_doctype() stops before the first could be declared. */
	xmlCtxtUseOptions(p.ctxt, XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOCDATA);
	xmlParseChunk(p.ctxt, text, (int)len, 1);
	if (p.r >= 0 && (!p.ctxt->wellFormed || !doc->root || p.open)) {
		/* A namespace oddity is none of our business; everything else came by on_error.
		 */
		p.r = err_set(err, EINVAL, "%s: not well-formed XML", name);
	}
	if (p.ctxt->myDoc)
		xmlFreeDoc(p.ctxt->myDoc);
	xmlFreeParserCtxt(p.ctxt);
	if (p.r < 0)
		return p.r;
	*ret = STEAL(doc);
	return 0;
}

void xml_free(struct xml *doc)
{
	if (!doc)
		return;
	/* Takes the first leaf until nothing is left: no recursion. */
	for (struct xml_node *n = doc->root; n;) {
		struct xml_node *up = n->parent;

		if (n->child) {
			n = n->child;
			continue;
		}
		if (up)
			up->child = n->next;
		for (unsigned i = 0; i < n->n_attrs; i++) {
			free(n->attrs[i].name);
			free(n->attrs[i].value);
		}
		free(n->attrs);
		free(n->name);
		str_clear(&n->text);
		free(n);
		n = up;
	}
	free(doc);
}

const struct xml_node *xml_root(const struct xml *doc)
{
	return doc->root;
}

const char *xml_name(const struct xml_node *n)
{
	return n ? n->name : "";
}

unsigned xml_line(const struct xml_node *n)
{
	return n ? n->line : 0;
}

static const struct xml_node *first_named(const struct xml_node *n, const char *name)
{
	while (n && name && strcmp(n->name, name))
		n = n->next;
	return n;
}

const struct xml_node *xml_child(const struct xml_node *n, const char *name)
{
	return n ? first_named(n->child, name) : NULL;
}

const struct xml_node *xml_next(const struct xml_node *n, const char *name)
{
	return n ? first_named(n->next, name) : NULL;
}

const struct xml_node *xml_path(const struct xml_node *n, const char *path)
{
	while (n && *path) {
		size_t len = strcspn(path, "/");
		_auto_(mem) char *name = xstrndup(path, len);

		n = xml_child(n, name);
		path += len;
		if (*path)
			path++;
	}
	return n;
}

const char *xml_attr(const struct xml_node *n, const char *name)
{
	for (unsigned i = 0; n && i < n->n_attrs; i++)
		if (!strcmp(n->attrs[i].name, name))
			return n->attrs[i].value;
	return NULL;
}

const char *xml_text(const struct xml_node *n)
{
	return n ? n->text.s : "";
}

/* ---- writer ---- */

/* The length of the UTF-8 sequence at s that XML allows, or 0. */
static size_t utf8_char(const unsigned char *s)
{
	uint32_t c;
	size_t len;

	if (s[0] < 0x80)
		return s[0] >= 0x20 || s[0] == '\t' || s[0] == '\n' || s[0] == '\r';
	len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	c = s[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	/* Overlong forms, surrogates, the two non-characters, beyond Unicode. */
	if ((len == 3 && c < 0x800) || (len == 4 && (c < 0x10000 || c > 0x10ffff)) ||
		(c >= 0xd800 && c <= 0xdfff) || c == 0xfffe || c == 0xffff)
		return 0;
	return len;
}

static void add_escaped(struct str *out, const char *text, bool attr)
{
	for (const unsigned char *s = (const unsigned char *)text; *s;) {
		size_t len = utf8_char(s);

		if (!len) {
			str_addc(out, '?'); /* nothing stands for these bytes in XML */
			s++;
			continue;
		}
		if (*s == '&')
			str_add(out, "&amp;");
		else if (*s == '<')
			str_add(out, "&lt;");
		else if (*s == '>')
			str_add(out, "&gt;");
		else if (*s == '\r' || (attr && (*s == '"' || *s == '\n' || *s == '\t')))
			str_addf(out, "&#%u;", *s);
		else
			str_addn(out, s, len);
		s += len;
	}
}

static void indent(struct xml_writer *w)
{
	size_t depth = strv_len(w->open);

	for (size_t i = 0; i < depth; i++)
		str_add(&w->out, "  ");
}

/* Ends a start tag that was left open for attributes. */
static void end_tag(struct xml_writer *w, bool newline)
{
	if (!w->in_tag)
		return;
	str_add(&w->out, newline ? ">\n" : ">");
	w->in_tag = false;
}

void xml_begin(struct xml_writer *w, const char *name)
{
	end_tag(w, true);
	indent(w);
	str_addf(&w->out, "<%s", name);
	strv_add(&w->open, name);
	w->in_tag = true;
	w->has_text = false;
}

void xml_put_attr(struct xml_writer *w, const char *name, const char *fmt, ...)
{
	_auto_(mem) char *value = NULL;
	va_list ap;

	assert(w->in_tag);
	va_start(ap, fmt);
	value = xvasprintf(fmt, ap);
	va_end(ap);
	str_addf(&w->out, " %s=\"", name);
	add_escaped(&w->out, value, true);
	str_addc(&w->out, '"');
}

static void put_text(struct xml_writer *w, const char *fmt, va_list ap)
{
	_auto_(mem) char *text = xvasprintf(fmt, ap);

	if (!*text)
		return;
	end_tag(w, false);
	add_escaped(&w->out, text, false);
	w->has_text = true;
}

void xml_put_text(struct xml_writer *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_text(w, fmt, ap);
	va_end(ap);
}

void xml_put(struct xml_writer *w, const char *name, const char *fmt, ...)
{
	va_list ap;

	xml_begin(w, name);
	va_start(ap, fmt);
	put_text(w, fmt, ap);
	va_end(ap);
	xml_end(w);
}

void xml_end(struct xml_writer *w)
{
	size_t depth = strv_len(w->open);
	_auto_(mem) char *name = NULL;

	assert(depth);
	name = w->open[depth - 1];
	w->open[depth - 1] = NULL;
	if (w->in_tag) {
		str_add(&w->out, "/>\n");
	} else {
		if (!w->has_text)
			indent(w);
		str_addf(&w->out, "</%s>\n", name);
	}
	w->in_tag = false;
	w->has_text = false;
}

char *xml_writer_end(struct xml_writer *w)
{
	char *text;

	while (strv_len(w->open))
		xml_end(w);
	text = str_steal(&w->out);
	xml_writer_clear(w);
	return text;
}

void xml_writer_clear(struct xml_writer *w)
{
	str_clear(&w->out);
	strv_free(w->open);
	*w = (struct xml_writer)XML_WRITER_INIT;
}
