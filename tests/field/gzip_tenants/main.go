// Gzip_tenants opens a compressed export for each tenant that asks, and never closes one: the
// compressor's window and tables stay.
//
//truth:service verdict=leak trap=writers ops=20 op=749000
//truth:site mark=writer function=main.(*exports).of leaf=no leaves=compress/*.* holder=exports.open
//truth:site mark=write function=main.(*exports).export leaf=no leaves=compress/*.* holder=exports.open
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"sync"

	"example.org/field/internal/run"
)

type exports struct {
	mu   sync.Mutex
	open map[string]*gzip.Writer
}

func (e *exports) of(tenant string) *gzip.Writer {
	e.mu.Lock()
	defer e.mu.Unlock()
	out, ok := e.open[tenant]
	if !ok {
		out = gzip.NewWriter(new(bytes.Buffer)) // site: writer
		e.open[tenant] = out                    // cause
	}
	return out
}

func (e *exports) export(tenant string) error {
	out := e.of(tenant)
	_, err := fmt.Fprintln(out, "id,name,city") // site: write
	return err
}

func main() {
	all := &exports{open: map[string]*gzip.Writer{}}
	http.HandleFunc("/export", func(w http.ResponseWriter, r *http.Request) {
		if err := all.export(r.FormValue("tenant")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	run.Main(func(c *run.Client, i int) { c.Get(fmt.Sprint("/export?tenant=", i)) })
}
