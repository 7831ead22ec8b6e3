// Undo_history remembers each edit of a shared document in a linked list of boxed values, and
// nobody ever undoes that much.
//
//truth:service verdict=leak trap=list ops=1000 op=1930
//truth:site mark=box function=main.(*document).apply holder=document.history
//truth:site mark=text function=main.(*document).apply leaf=no leaves=strings.*,fmt.* holder=document.history
package main

import (
	"container/list"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"example.org/field/internal/run"
)

type edit struct {
	at     int
	before string
	after  string
	author int
}

type document struct {
	mu      sync.Mutex
	text    []byte
	history *list.List
}

func (d *document) apply(at int, text string, author int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at %= len(d.text) - len(text)
	before := string(d.text[at : at+len(text)]) // site: text
	copy(d.text[at:], text)
	d.history.PushBack(edit{at: at, before: before, after: strings.Clone(text), author: author}) // site: box
}

func main() {
	doc := &document{text: make([]byte, 100<<10), history: list.New()}
	http.HandleFunc("/edit", func(w http.ResponseWriter, r *http.Request) {
		at, _ := strconv.Atoi(r.FormValue("at"))
		author, _ := strconv.Atoi(r.FormValue("author"))
		for i := 0; i < 10; i++ {
			doc.apply(at+300*i, r.FormValue("text"), author) // cause
		}
		fmt.Fprintln(w, "applied")
	})
	run.Main(func(c *run.Client, i int) {
		c.Get(fmt.Sprintf("/edit?at=%d&author=%d&text=%040d", i*37, i%90, i))
	})
}
