// Package noise is what else a service does: it allocates all the time, holds some 20 MB, and
// replaces them.
package noise

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"sort"
	"strings"
)

const (
	users    = 3_000
	messages = 4_096
	prices   = 20_000
)

type profile struct {
	name    string
	avatar  []byte
	friends []*profile
}

type message struct {
	subject string
	body    []byte
}

type row struct {
	key   string
	total float64
	count int
	tags  [4]string
}

type document struct {
	ID    int               `json:"id"`
	Title string            `json:"title"`
	Attrs map[string]string `json:"attrs"`
	Lines []line            `json:"lines"`
}

type line struct {
	SKU   string  `json:"sku"`
	Count int     `json:"count"`
	Price float64 `json:"price"`
}

// Load is the background work of one service; it must be stepped by one goroutine.
type Load struct {
	random   *rand.Rand
	profiles [users]*profile
	mail     chan *message
	quotes   map[int]*float64
	jobs     int
}

// New returns the background work with its stores filled.
func New() *Load {
	l := &Load{random: rand.New(rand.NewSource(7)), mail: make(chan *message, messages)}
	l.quotes = make(map[int]*float64, prices)
	for i := range l.profiles {
		l.visit(i)
	}
	for i := 0; i < messages/2; i++ {
		l.send()
	}
	for i := 0; i < prices; i++ {
		l.quote(i)
	}
	return l
}

// Step does one job; most are done and forgotten, some replace what is held.
func (l *Load) Step() {
	l.jobs++
	switch l.jobs % 8 {
	case 0:
		l.report()
	case 1, 5:
		l.resize()
	case 2:
		l.exchange()
	case 3:
		for i := 0; i < 4; i++ {
			l.visit(l.random.Intn(users))
		}
	case 4:
		l.correspond()
	case 6:
		for i := 0; i < 50; i++ {
			l.quote(l.random.Intn(prices))
		}
	default:
		l.access()
	}
}

// report adds up rows and sorts them.
func (l *Load) report() int {
	rows := make([]row, 0, 16)
	for i := 64 + l.random.Intn(600); i > 0; i-- {
		rows = append(rows, row{key: fmt.Sprint("region ", i%40), total: l.random.Float64()})
	}
	sort.Slice(rows, func(a, b int) bool { return rows[a].total < rows[b].total })
	return len(rows)
}

// resize makes pictures of several sizes out of one.
func (l *Load) resize() int {
	picture := make([]byte, 48<<10+l.random.Intn(96<<10))
	small := make([]byte, len(picture)/4)
	for i := range small {
		small[i] = picture[4*i]
	}
	return len(bytes.TrimRight(small, "\x00"))
}

// exchange sends a document through JSON and back.
func (l *Load) exchange() {
	given := document{ID: l.jobs, Title: "order", Attrs: map[string]string{"currency": "EUR"}}
	for i := l.random.Intn(30); i >= 0; i-- {
		given.Lines = append(given.Lines, line{SKU: fmt.Sprint("sku-", i), Count: i, Price: 9.5})
	}
	text, err := json.Marshal(given)
	if err != nil {
		panic(err)
	}
	var got document
	if err := json.Unmarshal(text, &got); err != nil {
		panic(err)
	}
}

// visit replaces a user's profile.
func (l *Load) visit(user int) {
	p := &profile{name: fmt.Sprint("user ", user), avatar: make([]byte, 200+l.random.Intn(3_800))}
	for i := l.random.Intn(6); i > 0; i-- {
		p.friends = append(p.friends, nil)
	}
	l.profiles[user] = p
}

// correspond sends some messages and reads some, so that their number wanders.
func (l *Load) correspond() {
	for i := l.random.Intn(24); i > 0 && len(l.mail) < messages*3/4; i-- {
		l.send()
	}
	for i := l.random.Intn(24); i > 0 && len(l.mail) > messages/4; i-- {
		<-l.mail
	}
}

func (l *Load) send() {
	l.mail <- &message{
		subject: fmt.Sprint("offer ", l.random.Intn(100)),
		body:    make([]byte, 256+l.random.Intn(1_800)),
	}
}

// quote replaces a price.
func (l *Load) quote(article int) {
	price := new(float64)
	*price = l.random.Float64()
	l.quotes[article] = price
}

// access writes the lines of a log and splits them again.
func (l *Load) access() int {
	var text strings.Builder
	for i := 0; i < 120; i++ {
		fmt.Fprintf(&text, "GET /articles/%d 200 %dms\n", l.random.Intn(900), l.random.Intn(90))
	}
	fields := 0
	for _, line := range strings.Split(text.String(), "\n") {
		fields += len(strings.Fields(line))
	}
	return fields
}
