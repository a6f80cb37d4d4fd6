# A plot of throughput against clients, as SVG.
#
#   awk -v title=TEXT -v subtitle=TEXT -f bench/plot.awk POINTS
#
# POINTS has a line for each point: series, "ours" or "reference", clients, median, least, greatest;
# tab-separated, the clients powers of two. References are dashed. The range is a thin bar.

BEGIN {
  FS = "\t"
  width = 900; height = 500
  left = 74; right = 240; top = 72; bottom = 60
  # Colours that also people who confuse red and green tell apart.
  split("#0072b2 #d55e00 #009e73 #555555 #a0568c #b8860b", palette, " ")
}

NF == 6 {
  if (!($1 in number)) {
    number[$1] = ++series
    name[series] = $1
    kind[series] = $2
  }
  s = number[$1]
  p = ++points[s]
  x_of[s, p] = log($3) / log(2)
  median[s, p] = $4; least[s, p] = $5; greatest[s, p] = $6
  if (x_of[s, p] > last_x) last_x = x_of[s, p]
  if ($6 > largest) largest = $6
}

function x(value) { return left + (last_x > 0 ? value / last_x : 0) * (width - left - right) }
function y(value) { return height - bottom - value / y_end * (height - top - bottom) }

function commas(value,   text, out) {
  text = sprintf("%d", value)
  while (length(text) > 3) {
    out = "," substr(text, length(text) - 2) out
    text = substr(text, 1, length(text) - 3)
  }
  return text out
}

function escape(text) {
  gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
  return text
}

# Steps of 1, 2 or 5 times a power of ten, at most six of them.
function choose_step(   step, i) {
  step = 1
  for (i = 0; step * 6 < largest; ++i) step *= i % 3 == 1 ? 2.5 : 2
  return step
}

function axes(   step, value, i) {
  step = choose_step()
  y_end = step
  while (y_end < largest) y_end += step
  for (value = 0; value <= y_end; value += step) {
    printf "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"%s\"/>\n",
      left, y(value), width - right, y(value), value == 0 ? "#333" : "#e4e4e4"
    printf "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left - 10, y(value) + 4,
      commas(value)
  }
  for (i = 0; i <= last_x; ++i) {
    printf "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#333\"/>\n", x(i),
      height - bottom, x(i), height - bottom + 5
    printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n", x(i),
      height - bottom + 22, 2 ^ i
  }
  printf "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" class=\"axis\">clients, each waiting " \
    "for its answer</text>\n", (left + width - right) / 2, height - 14
  printf "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\" " \
    "class=\"axis\">durable upgrades per second</text>\n", (top + height - bottom) / 2
}

function draw(s,   p, path) {
  for (p = 1; p <= points[s]; ++p) {
    path = path (p == 1 ? "M" : "L") sprintf("%.1f %.1f", x(x_of[s, p]), y(median[s, p]))
  }
  printf "<g stroke=\"%s\" fill=\"%s\">\n", palette[s], palette[s]
  for (p = 1; p <= points[s]; ++p) {
    printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke-opacity=\"0.45\" " \
      "stroke-width=\"3\"/>\n", x(x_of[s, p]), y(least[s, p]), x(x_of[s, p]), y(greatest[s, p])
  }
  printf "<path d=\"%s\" fill=\"none\" stroke-width=\"2.2\"%s/>\n", path,
    kind[s] == "reference" ? " stroke-dasharray=\"6 4\"" : ""
  for (p = 1; p <= points[s]; ++p) {
    printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.4\"><title>%s, %d clients: %s/s</title></circle>\n",
      x(x_of[s, p]), y(median[s, p]), escape(name[s]), 2 ^ x_of[s, p], commas(median[s, p])
  }
  print "</g>"
}

# The name of each series stands where its line ends; names that would touch are moved apart.
function label(   s, i, j, order, at, swap) {
  for (s = 1; s <= series; ++s) { order[s] = s; at[s] = y(median[s, points[s]]) }
  for (i = 2; i <= series; ++i) {
    for (j = i; j > 1 && at[order[j]] < at[order[j - 1]]; --j) {
      swap = order[j]; order[j] = order[j - 1]; order[j - 1] = swap
    }
  }
  # From the bottom up, so that no name falls onto the axis.
  for (i = series; i >= 1; --i) {
    s = order[i]
    if (i == series && at[s] > height - bottom - 4) at[s] = height - bottom - 4
    if (i < series && at[s] > at[order[i + 1]] - 34) at[s] = at[order[i + 1]] - 34
  }
  for (s = 1; s <= series; ++s) {
    printf "<path d=\"M%.1f %.1fL%d %.1f\" stroke=\"%s\" stroke-opacity=\"0.5\" fill=\"none\"/>\n",
      x(x_of[s, points[s]]) + 6, y(median[s, points[s]]), width - right + 18, at[s], palette[s]
    printf "<text x=\"%d\" y=\"%.1f\" fill=\"%s\" class=\"name\">%s</text>\n", width - right + 22,
      at[s] + 1, palette[s], escape(name[s])
    printf "<text x=\"%d\" y=\"%.1f\" class=\"small\">%s/s with %d</text>\n", width - right + 22,
      at[s] + 15, commas(median[s, points[s]]), 2 ^ x_of[s, points[s]]
  }
}

END {
  if (!series) { print "plot.awk: no points" > "/dev/stderr"; exit 1 }
  printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" " \
    "font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#333\">\n", width, height
  printf "<title>%s</title>\n<desc>%s</desc>\n", escape(title), escape(subtitle)
  print "<style>.axis{fill:#555}.name{font-weight:600}.small{font-size:12px;fill:#666}" \
    ".title{font-size:17px;font-weight:600}</style>"
  printf "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n", width, height
  printf "<text x=\"%d\" y=\"30\" class=\"title\">%s</text>\n", left, escape(title)
  printf "<text x=\"%d\" y=\"50\" class=\"small\">%s</text>\n", left, escape(subtitle)
  axes()
  for (s = 1; s <= series; ++s) draw(s)
  label()
  print "</svg>"
}
