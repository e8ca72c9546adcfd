/* SPDX-License-Identifier: MIT */
/*
 * layout: text set in the rows of a terminal, so that nobody's text decides where a row begins.
 *
 * A text that the terminal itself breaks goes on in its first column, where it could look like a
 * line of somebody else. Here rows are broken before that, at a space where there is one, and each
 * row after the first is indented. At most LAYOUT_MARKS_MAX characters without a width of their
 * own (accents and the like) are kept on one place; the rest of such a heap is dropped.
 *
 * Widths are those of wcwidth(3) in the locale of the process (setlocale() is the caller's). A
 * terminal may think otherwise about a new emoji; whoever writes the rows cares for that.
 */
#ifndef CHANCAT_LAYOUT_H
#define CHANCAT_LAYOUT_H

#include "common/buf.h"
#include "common/text.h"

#define LAYOUT_MARKS_MAX 4

struct layout {
    unsigned columns; /* of a row; 0: unknown, and no row is broken */
    unsigned indent;  /* of the rows after the first; less than columns */
    unsigned at;      /* column that comes next */
    /* layout.c's: */
    unsigned marks;  /* without width since the last character that has one */
    unsigned last;   /* width of that */
    size_t break_at; /* in the buffer, behind the last space of the row; 0: there is none */
    unsigned break_column;
};

/* How many columns a character takes: 0, 1 or 2. */
unsigned layout_width(uint32_t codepoint);

/* Columns that a text takes in one row. */
unsigned layout_text_width(struct span text);

/* Sets text behind what is in `b` already: printable UTF-8 of one line, as text_add_visible() makes
 * it. All texts of one line go through the same struct and buffer. 0, or -1 (buffer full). */
int layout_add(struct layout *l, struct buf *b, struct span text);

#endif
