// Builder_titles renders whole pages with a strings.Builder and keeps the title of each for the
// site map: a substring, which keeps the page.
//
//truth:service verdict=leak trap=substring ops=300 op=6900
//truth:site mark=grow function=main.renderPage leaf=no leaves=strings.* holder=sitemap
//truth:site mark=body function=main.renderPage leaf=no leaves=strings.* holder=sitemap
package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"example.org/field/internal/run"
)

var (
	mu      sync.Mutex
	sitemap = map[string]string{}
)

func renderPage(path string, paragraphs int) string {
	var page strings.Builder
	page.WriteString("<title>About " + path + "</title>") // site: grow
	for i := 0; i < paragraphs; i++ {
		page.WriteString("<p>Lorem ipsum dolor sit amet, consectetur adipisici elit.</p>\n") // site: body
	}
	return page.String()
}

func titleOf(page string) string {
	rest := page[strings.Index(page, "<title>")+len("<title>"):]
	return rest[:strings.Index(rest, "</title>")] // cause
}

func main() {
	http.HandleFunc("/about/", func(w http.ResponseWriter, r *http.Request) {
		page := renderPage(r.URL.Path, 60+len(r.URL.Path)%7*10)
		mu.Lock()
		sitemap[r.URL.Path] = titleOf(page) // cause
		mu.Unlock()
		fmt.Fprint(w, page)
	})
	run.Main(func(c *run.Client, i int) { c.Get(fmt.Sprintf("/about/%d%s", i, "abcdefg"[:i%7])) })
}
