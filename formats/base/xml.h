/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xml: descriptions of machines come as XML from anywhere, so this reader knows elements,
 * attributes and text and nothing else. No network, no files, no entities but the five of XML
 * itself: a document type declaration is an error, which makes "billion laughs" and external
 * entities impossible. Size, depth, and the counts of elements and attributes have limits.
 *
 * Namespaces are dropped: elements and attributes go by their local name, because exporters
 * disagree about prefixes and versions. When an element has one local attribute name twice
 * (ovf:id, vmw:id) the first counts.
 *
 *	_auto_(xml) struct xml *doc = NULL;
 *	r = xml_parse(&doc, text, len, "vm.ovf", err);
 *	xml_foreach (item, xml_root(doc), "Item")
 *		... xml_text(xml_child(item, "ElementName")) ...
 *
 * The writer makes indented XML, one element at a time, and escapes what it is given:
 *
 *	struct xml_writer w = XML_WRITER_INIT;
 *	xml_begin(&w, "disk");
 *	xml_put_attr(&w, "type", "%s", "file");
 *	xml_put(&w, "serial", "%s", serial);          <serial>...</serial>
 *	xml_end(&w);
 *	char *text = xml_writer_end(&w);
 *
 * Threads: a document that nobody changes may be read from any thread; a writer belongs to one.
 */
#pragma once

#include "formats/base/err.h"
#include "formats/base/str.h"

#define XML_BYTES_MAX (8 * MiB) /* of text; the largest OVF seen has 0.3 MiB */
#define XML_NODES_MAX 100000    /* elements and attributes together */
#define XML_GAP_MAX                                                                            \
	(256 * KiB)      /* from one '<' to the next: a tag, or a text such as a licence */
#define XML_DEPTH_MAX 64 /* elements inside elements; OVF and libvirt need about 10 */

struct xml;
struct xml_node;

/* Parses a whole document; `name` is for errors, which say the line. EINVAL. */
int xml_parse(
	struct xml **ret, const char *text, size_t len, const char *name, struct err *err);
void xml_free(struct xml *doc);
DEFINE_AUTO(xml)

/* All nodes and strings below belong to the document. Every function takes a NULL node as one
 * without children, attributes and text. */
const struct xml_node *xml_root(const struct xml *doc);
/* The local name. */
const char *xml_name(const struct xml_node *n);
/* The line that the element begins in. */
unsigned xml_line(const struct xml_node *n);
/* The first child element with this local name (NULL: with any), or NULL. */
const struct xml_node *xml_child(const struct xml_node *n, const char *name);
/* The next sibling of that name (NULL: any), or NULL. */
const struct xml_node *xml_next(const struct xml_node *n, const char *name);
/* A descendant by names with '/' between: xml_path(domain, "os/type"). */
const struct xml_node *xml_path(const struct xml_node *n, const char *path);
/* The attribute with this local name, or NULL. */
const char *xml_attr(const struct xml_node *n, const char *name);
/* The element's own text without the white space around it; "" when there is none. */
const char *xml_text(const struct xml_node *n);

#define xml_foreach(var, parent, name)                                                         \
	for (const struct xml_node *var = xml_child((parent), (name)); var;                    \
		var = xml_next(var, (name)))

struct xml_writer {
	struct str out;
	char **open;   /* names of the open elements */
	bool in_tag;   /* the last start tag still takes attributes */
	bool has_text; /* the open element's text stands directly behind its tag */
};
#define XML_WRITER_INIT                                                                        \
	{                                                                                      \
		.out = STR_INIT                                                                \
	}

/* Opens an element inside the open one. `name` is ours, not from outside. */
void xml_begin(struct xml_writer *w, const char *name);
/* An attribute of the element just opened. */
void xml_put_attr(struct xml_writer *w, const char *name, const char *fmt, ...) _printf_(3, 4);
/* Text of the element just opened. */
void xml_put_text(struct xml_writer *w, const char *fmt, ...) _printf_(2, 3);
/* A whole element with text only. */
void xml_put(struct xml_writer *w, const char *name, const char *fmt, ...) _printf_(3, 4);
/* Closes the element opened last. */
void xml_end(struct xml_writer *w);
/* Closes what is open; the text is the caller's to free, the writer is empty again. */
char *xml_writer_end(struct xml_writer *w);
void xml_writer_clear(struct xml_writer *w);
