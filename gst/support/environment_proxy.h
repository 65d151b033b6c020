// SPDX-License-Identifier: LGPL-2.1-or-later
// Proxies as the environment says.
#pragma once

#include <gio/gio.h>

#include "gst/support/ownership.h"

namespace streamlib::support {

// By http_proxy, https_proxy and no_proxy, as other programs do it. GLib's own resolver may ask the
// settings of a desktop and takes threads for that. Any thread.
GObjectPtr<GProxyResolver> environment_proxy_resolver();

}  // namespace streamlib::support
