# man3.awk - the manual pages of section 3, from the public headers.
#
#     awk -v out=DIR -v version=0.1.0 -f man3.awk error.h map.h muster.h ...
#
# The comment right before a MUSTER_API function becomes DIR/muster_NAME.3. A
# function right after it, without a comment of its own, shares the page and
# gets a link. Names that end with _ are not for users. What is not in this
# form is said on standard error:
#
#     Prose, whose first sentence is the title.
#
#       name   an argument
#
#     Thread:  ...
#     Success: ...
#     Errors:  MUSTER_CODE   why
#              MUSTER_CODE, MUSTER_CODE

FNR == 1 { include = /Included by muster\.h/ ? "muster.h" : FILENAME }

/^ +MUSTER_E[A-Z]+[ ,].*\/\*.*\*\// {
    split($0, halves, /,? *\/\* *| *\*\//)
    meaning[substr(halves[1], match(halves[1], /M/))] = halves[2]
}

/^\/\*/ {
    inside = 1
    comment = extra = ""
    sub(/^\/[*] ?/, " * ")
}

inside {
    inside = !sub(/ *\*\/ *$/, "")
    sub(/^ [*] ?/, "")
    comment = comment $0 "\n"
    doc = !inside # 1: a comment came right before, 2: another function
    next
}

/^MUSTER_API/, /;/ {
    sub(/^ *__attribute__.*/, "           ;")
    text = (/^MUSTER_API/ ? "" : text) substr($0, 12) "\n"
    if (/;/)
        declared(text)
    next
}

doc == 1 && (/^typedef .*;$/ || /^#define [A-Z_]+ /) {
    extra = extra $0 "\n"
    next
}

{ doc = 0 }

function complain(what) {
    print at ": " what >"/dev/stderr"
}

function declared(text,    name) {
    sub(/\n;/, ";", text)
    name = substr(text, 1, index(text, "(") - 1)
    sub(/.*[ *]/, "", name)
    at = FILENAME ": " name
    if (name ~ /_$/)
        return
    if (!doc)
        return complain("no comment right before it")
    if (doc == 1) {
        title[++npages] = name
        header[npages] = FILENAME
        from[npages] = substr(include, match(include, /[^\/]*$/))
        prototypes[npages] = extra
        comments[npages] = comment
    } else
        print ".so man3/" title[npages] ".3" >(out "/" name ".3")
    page_of[name] = npages
    names[npages] = names[npages] (doc == 1 ? "" : ", ") name
    prototypes[npages] = prototypes[npages] text
    doc = 2
}

function escaped(s) {
    gsub(/\\/, "\\e", s)
    gsub(/--/, "\\-\\-", s)
    gsub(/\^/, "\\(ha", s)
    return (s ~ /^[.']/ ? "\\&" : "") s
}

# A line of roff; names of ours and what was in `` bold, functions cited.
function text_of(s,    done, name) {
    s = escaped(s)
    while (match(s, /`[^`]*`|(muster|MUSTER)_[A-Za-z0-9_]+/)) {
        done = done substr(s, 1, RSTART - 1)
        name = substr(s, RSTART, RLENGTH)
        s = substr(s, RSTART + RLENGTH)
        gsub(/`/, "", name)
        done = done "\\fB" name "\\fR"
        if (name in page_of && page_of[name] != page) {
            cited[page_of[name]] = 1
            done = done (s ~ /^\(/ ? "" : "(3)")
        }
    }
    return done s "\n"
}

function sentence(s) {
    if (s ~ /^[a-z][a-z']*([ ,;:.]|$)/)
        s = toupper(substr(s, 1, 1)) substr(s, 2)
    return s == "" ? "" : text_of(s (s ~ /[.?!)]$/ ? "" : "."))
}

function end_paragraph() {
    if (match(paragraph, /(^| )Thread: /)) {
        block["Thread"] = substr(paragraph, RSTART + RLENGTH)
        paragraph = substr(paragraph, 1, RSTART - 1)
    }
    if (summary == "") {
        match(paragraph, /[^ .][.:;]( |$)/)
        summary = substr(paragraph, 1, RSTART)
        if (summary ~ /^[A-Z][ a-z]/)
            summary = tolower(substr(summary, 1, 1)) substr(summary, 2)
        gsub(/`/, "", summary)
    }
    if (paragraph != "")
        prose = prose (prose == "" ? "" : ".PP\n") text_of(paragraph)
    paragraph = ""
}

function joined(a, b) {
    return a (a == "" || b == "" ? "" : " ") b
}

function error(text,    codes) {
    codes = "^MUSTER_E[A-Z]+(, MUSTER_E[A-Z]+)*(, [.][.][.])?(,?$|   *)"
    if (!match(text, codes) && text ~ /^MUSTER_/)
        complain("no two spaces after the code: " text)
    if (RLENGTH > 0 || !nerrors || tag[nerrors] != "")
        why[++nerrors] = ""
    tag[nerrors] = substr(text, 1, RLENGTH)
    sub(/[ ,]+$/, "", tag[nerrors])
    why[nerrors] = joined(why[nerrors], \
                          substr(text, RLENGTH > 0 ? RLENGTH + 1 : 1))
}

function parse(line,    indent, text) {
    indent = match(line, /[^ ]/) - 1
    text = substr(line, indent + 1)
    if (indent < 0 || match(line, /^(Thread|Success|Errors): */)) {
        column = indent = RLENGTH
        text = substr(line, column + 1)
        mode = line == "" ? "" : substr(line, 1, index(line, ":") - 1)
        end_paragraph()
    }
    if (mode != "" && indent < column)
        complain("a line out of its block: " text)
    else if (mode == "Errors" && indent == column)
        error(text)
    else if (mode == "Errors")
        why[nerrors] = joined(why[nerrors], text)
    else if (mode != "")
        block[mode] = joined(block[mode], text)
    else if (indent == 2 && match(text, /   */))
        arguments = arguments (arguments == "" ? "" : "T}\n") "\\fI" \
            substr(text, 1, RSTART - 1) "\\fR\tT{\n" \
            text_of(substr(text, RSTART + RLENGTH))
    else if (indent > 2 && arguments != "")
        arguments = arguments text_of(text)
    else if (indent > 0)
        complain("neither prose nor an argument: " text)
    else
        paragraph = joined(paragraph, text)
}

# Types bold, names italic.
function synopsis(text) {
    gsub(/[a-z0-9_]+[,)]/, "\\fI&\\fB", text)
    gsub(/,\\fB/, "\\fB,", text)
    gsub(/\)\\fB/, "\\fB)", text)
    sub(/\n$/, "", text)
    return "\\fB" text "\\fR\n"
}

function tagged(tag, text) {
    return (tag == "" ? ".PP\n" : ".TP\n.B " tag "\n") sentence(text)
}

function errors(    i, j, n, codes, done) {
    for (i = 1; i <= nerrors; i++) {
        n = split(tag[i], codes, /, */)
        for (j = 1; j <= n; j++) {
            if (codes[j] != "..." && !(codes[j] in meaning))
                complain("error.h does not have " codes[j])
            else if (why[i] == "")
                done = done tagged(codes[j], meaning[codes[j]])
        }
        if (why[i] != "")
            done = done tagged(tag[i], why[i])
    }
    sub(/^\.PP\n/, "", done)
    return done
}

# Two before and two after in the header, and what the text names.
function see_also(    i, done) {
    for (i = 1; i <= npages; i++)
        if (i in cited || i >= page - 2 && i <= page + 2 && \
            header[i] == header[page])
            done = done (i == page ? "" : ".BR " title[i] " (3),\n")
    return done ".BR muster (7)\n"
}

function part(heading, text) {
    printf("%s", text == "" ? "" : ".SH " heading "\n" text) >file
}

function write_page(    i, n, lines, success) {
    arguments = prose = summary = mode = ""
    nerrors = 0
    split("", block)
    split("", cited)
    at = header[page] ": " title[page]
    n = split(comments[page], lines, "\n") # the last one is empty
    for (i = 1; i <= n; i++)
        parse(lines[i])
    success = block["Success"]
    if (success != "" && prototypes[page] ~ /(^|\n)muster_err /)
        success = "MUSTER_OK: " success

    file = out "/" title[page] ".3"
    printf "'\\\" t\n.\\\" Made by man3.awk from <muster/%s>.\n" \
        ".TH %s 3 \"\" \"muster %s\" \"muster\"\n", from[page], \
        toupper(title[page]), version >file
    part("NAME", names[page] " \\- " escaped(summary) "\n")
    part("SYNOPSIS", ".nf\n\\fB#include <muster/" from[page] ">\n" \
         synopsis(prototypes[page]) ".fi\n")
    part("DESCRIPTION", prose)
    part("ARGUMENTS", arguments == "" ? "" : \
         ".TS\nl lx.\n" arguments "T}\n.TE\n")
    part("THREADS", sentence(block["Thread"]))
    part("RETURN VALUE", sentence(success))
    part("ERRORS", errors())
    part("SEE ALSO", see_also())
    close(file)
}

END {
    for (page = 1; page <= npages; page++)
        write_page()
}
