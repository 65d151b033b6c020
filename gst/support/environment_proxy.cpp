// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/support/environment_proxy.h"

namespace streamlib::support {

GObjectPtr<GProxyResolver> environment_proxy_resolver()
{
  const auto value_of = [](const char *name) {
    const char *value = g_getenv(name);
    return value != nullptr && value[0] != '\0' ? value : nullptr;
  };
  const char *exceptions = value_of("no_proxy");
  gchar **ignored = g_strsplit_set(exceptions != nullptr ? exceptions : "", ", ", -1);
  auto resolver = adopt_object(g_simple_proxy_resolver_new(nullptr, ignored));
  g_strfreev(ignored);
  auto *simple = reinterpret_cast<GSimpleProxyResolver *>(resolver.get());
  if (const char *proxy = value_of("http_proxy"))
    g_simple_proxy_resolver_set_uri_proxy(simple, "http", proxy);
  if (const char *proxy = value_of("https_proxy"))
    g_simple_proxy_resolver_set_uri_proxy(simple, "https", proxy);
  return resolver;
}

}  // namespace streamlib::support
