// SPDX-License-Identifier: LGPL-2.1-or-later
// What the type of a node has: pads and properties.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "gst/streamlib/graph/description.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::graph {

// The element of a node whose type is launch syntax, with the given object name (empty: one that
// GStreamer chooses). What is not linked inside becomes ghost pads: one sink pad is "sink", one
// source pad "src"; of several each is "<element>_<pad>". The failure's text holds no secrets. Any
// thread.
support::Result<support::GObjectPtr<GstElement>> make_bin(const std::string &launch,
                                                          const std::string &name = {});

// A pad of a type: one that is there, or a template.
struct PadKind {
  std::string name;  // "src", "sink_%u".
  GstPadDirection direction = GST_PAD_UNKNOWN;
  GstPadPresence presence = GST_PAD_ALWAYS;
  support::MiniPtr<GstCaps> caps;
  GType type = G_TYPE_NONE;

  // Whether a pad of this name can be one of these.
  bool takes(std::string_view pad) const;
};

// An element factory, or the element that a launch line makes.
class NodeType {
public:
  // The failure's text is a sentence, its debug text a hint.
  static support::Result<std::shared_ptr<const NodeType>> of_factory(const std::string &factory);
  static support::Result<std::shared_ptr<const NodeType>> of_bin(const std::string &launch);

  NodeType(const NodeType &) = delete;
  NodeType &operator=(const NodeType &) = delete;
  ~NodeType();

  const std::vector<PadKind> &pads() const { return pads_; }
  // Null when there is none.
  const PadKind *pad(std::string_view name, GstPadDirection direction) const;
  std::vector<const PadKind *> pads(GstPadDirection direction) const;
  bool has(GstPadDirection direction, GstPadPresence presence) const;

  GObjectClass *object_class() const { return class_; }
  GType type() const { return G_OBJECT_CLASS_TYPE(class_); }
  bool is_bin() const { return bin_; }
  // Null for a factory.
  GstElement *element() const { return element_.get(); }

private:
  NodeType() = default;

  GObjectClass *class_ = nullptr;
  support::GObjectPtr<GstElement> element_;
  std::vector<PadKind> pads_;
  bool bin_ = false;
};

// The property of that name, "pad::property" and "child::property" among them; the failure's debug
// text is a hint.
support::Result<GParamSpec *> find_property(const NodeType &type, const std::string &factory,
                                            const std::string &name);

}  // namespace streamlib::graph
