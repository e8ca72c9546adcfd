/* SPDX-License-Identifier: MIT */
/*
 * render: a stored message as the JSON object of the API.
 *
 * One pass over the text does the HTML escaping (&amp; &lt; &gt; &#34; &#39;, as the original
 * server) and the JSON escaping; what is stored is plain, trimmed, valid UTF-8.
 */
#ifndef CHANCATD_RENDER_H
#define CHANCATD_RENDER_H

#include "common/buf.h"
#include "server/store.h"

/* Appends {"id":…,"channel":…,"sender":…,"content":…,"time":"…Z"}. 0, or -1 with nothing changed.
 */
int render_message(struct buf *b, const struct store_message *m);

/* Appends [message,message]. 0, or -1 with nothing changed. */
int render_messages(struct buf *b, const struct store_message *messages, size_t count);

/* Appends {"first":ID,"last":ID,"count":N} of messages that have their ids. 0, or -1 with nothing
 * changed. */
int render_ids(struct buf *b, const struct store_message *messages, size_t count);

/* Appends {"error":"…"}. 0, or -1. */
int render_error(struct buf *b, const char *text);

#endif
