/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes of public prototypes. Nothing here is of use to an application itself. */
#ifndef RIVULET_EXPORT_H
#define RIVULET_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define RV_API __attribute__((visibility("default")))
#define RV_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define RV_MUST_CHECK __attribute__((warn_unused_result))
/** Runs fn(&variable) when the variable leaves its scope. */
#define RV_CLEANUP(fn) __attribute__((cleanup(fn)))
#else
#define RV_API
#define RV_PRINTF(fmt, first)
#define RV_MUST_CHECK
#endif

#endif
