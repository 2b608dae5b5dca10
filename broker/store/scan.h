/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a stretch of the log when nothing is known about it: finds every record that can be proven, tells
 * of
 * bytes that cannot, and finds its way again behind them.
 */
#ifndef BROKER_STORE_SCAN_H
#define BROKER_STORE_SCAN_H

#include "broker/store/inside.h"

/* What a scan tells. */
struct rv__scan_sink {
	/* A proven record. A code other than RV_OK ends the scan. */
	rv_err (*record)(
	    void *arg, const struct rv__record *record, const struct rv__entry *entry, struct rv_error *err);
	/* Bytes that are not provable, with good ones behind them. May be NULL. */
	void (*bad)(void *arg, int64_t offset, int64_t length, uint32_t records);
	void *arg;
};

/**
 * Scans [from, end) of one segment; `from` is where a batch begins.
 *
 * @param ret_tail  where the unprovable rest begins behind which nothing is good; `end` when there is none
 */
rv_err rv__scan(rv__store *store, struct rv__segment *segment, int64_t from, int64_t end,
    const struct rv__scan_sink *sink, int64_t *ret_tail, struct rv_error *err);

/** Start of the batch that holds `offset`; the segment's start when no trailer tells. */
int64_t rv__scan_boundary(rv__store *store, struct rv__segment *segment, int64_t offset);

#endif
