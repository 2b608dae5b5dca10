/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a service includes. Binder authors include <rivulet/binder.h>, tests <rivulet/test.h>. */
#ifndef RIVULET_RIVULET_H
#define RIVULET_RIVULET_H

#include <rivulet/app.h>
#include <rivulet/channel.h>
#include <rivulet/error.h>
#include <rivulet/http.h>
#include <rivulet/log.h>
#include <rivulet/message.h>
#include <rivulet/version.h>

#endif
