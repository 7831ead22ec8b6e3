// Regexp_cache compiles each customer's filter once and keeps it for ever; filters hold a session's
// token, so that hardly one comes twice.
//
//truth:service verdict=leak trap=cache-key ops=300 op=4430
//truth:site mark=compile function=main.compiled leaf=no leaves=regexp*,strings.* holder=patterns
package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sync"

	"example.org/field/internal/run"
)

var (
	mu       sync.RWMutex
	patterns = map[string]*regexp.Regexp{}
)

func compiled(pattern string) (*regexp.Regexp, error) {
	mu.RLock()
	found, ok := patterns[pattern]
	mu.RUnlock()
	if ok {
		return found, nil
	}
	fresh, err := regexp.Compile(pattern) // site: compile
	if err != nil {
		return nil, err
	}
	mu.Lock()
	patterns[pattern] = fresh // cause
	mu.Unlock()
	return fresh, nil
}

func main() {
	lines := []string{"INFO started", "WARN disk 91%", "ERROR token-12 expired"}
	http.HandleFunc("/logs", func(w http.ResponseWriter, r *http.Request) {
		filter, err := compiled(r.FormValue("filter"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, line := range lines {
			if filter.MatchString(line) {
				fmt.Fprintln(w, line)
			}
		}
	})
	run.Main(func(c *run.Client, i int) {
		c.Get("/logs?filter=" + url.QueryEscape(fmt.Sprintf(`^(INFO|WARN|ERROR) token-%d\b.*$`, i)))
	})
}
