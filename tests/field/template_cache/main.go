// Template_cache keeps parsed templates by their text, and the text has the customer's name in it.
//
//truth:service verdict=leak trap=cache-key ops=300 op=2890
//truth:site mark=parse function=main.(*mailer).template leaf=no leaves=text/template*,strings.*,fmt.* holder=mailer.parsed
//truth:site mark=new function=main.(*mailer).template leaf=no leaves=text/template* holder=mailer.parsed
package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"text/template"

	"example.org/field/internal/run"
)

type mailer struct {
	mu     sync.Mutex
	parsed map[string]*template.Template
}

func (m *mailer) template(text string) (*template.Template, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.parsed[text]; ok {
		return found, nil
	}
	fresh := template.New("mail")   // site: new
	fresh, err := fresh.Parse(text) // site: parse
	if err != nil {
		return nil, err
	}
	m.parsed[text] = fresh // cause
	return fresh, nil
}

func (m *mailer) mail(customer string, articles []string) (string, error) {
	text := "Dear " + customer + `, you bought
{{range .}}{{if .}}- {{.}} ({{len .}}){{else}}nothing{{end}}
{{end}}Thank you.`
	t, err := m.template(text) // cause
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = t.Execute(&out, articles)
	return out.String(), err
}

func main() {
	mails := &mailer{parsed: map[string]*template.Template{}}
	http.HandleFunc("/bill", func(w http.ResponseWriter, r *http.Request) {
		text, err := mails.mail(r.FormValue("customer"), []string{"tea", "cup", ""})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, text)
	})
	run.Main(func(c *run.Client, i int) { c.Get(fmt.Sprint("/bill?customer=", i)) })
}
