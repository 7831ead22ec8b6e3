// Heavy_churn parses, renders and compresses all the time, 60 MB a second, and keeps nothing.
//
//truth:service verdict=churn also=steady shape=churn ops=1000 per_s=40
//truth:site mark=lines function=main.work leaf=no per_op=0 holder=stack
package main

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"

	"example.org/field/internal/run"
)

func work(size int) int {
	text := strings.Repeat("a line of text\n", size) // site: lines
	lines := strings.Split(text, "\n")
	var packed bytes.Buffer
	out, _ := flate.NewWriter(&packed, flate.BestSpeed)
	_, _ = io.WriteString(out, lines[0])
	_ = out.Close()
	return len(base64.StdEncoding.EncodeToString(packed.Bytes())) + len(lines)
}

func main() {
	http.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, work(len(r.FormValue("n"))*100))
	})
	run.Main(func(c *run.Client, i int) { c.Get("/work?n=" + strings.Repeat("1", 1+i%60)) })
}
