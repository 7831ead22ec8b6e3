package main

import (
	"bytes"
	"encoding/json"
	"expvar"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net/http"
	"strings"
	"time"
)

const (
	receiptSize  = 64 << 10
	receiptLimit = 6_400 // receipts: the leak ends at 400 MB
	tick         = 50 * time.Millisecond
	perTick      = 3 // receipts: 60 a second leak 3.75 MB a second
)

// requests counts what was served, by kind.
var requests = expvar.NewMap("requests")

// settled says whether everything that is bounded has filled up, so that only the leak grows.
func settled() bool {
	return recent.full() && receipts.len() >= 60
}

// makeTraffic plays the shop's customers: steady traffic of all three kinds.
func makeTraffic(url string) {
	client := &http.Client{Timeout: 10 * time.Second}
	scan := bytes.Repeat([]byte("scanned paper "), receiptSize/14+1)[:receiptSize]
	for range recent.slots {
		recent.put(newOrder())
	}
	sent := 0
	for range time.Tick(tick) {
		for i := 0; i < perTick && sent < receiptLimit; i++ {
			sent++
			target := fmt.Sprintf("%s/receipt?session=s%06d", url, sent)
			send(client, target, bytes.NewReader(scan))
		}
		for i := 0; i < 5; i++ {
			text, err := json.Marshal(newOrder())
			if err != nil {
				log.Fatal(err)
			}
			send(client, url+"/order", bytes.NewReader(text))
			send(client, url+"/price", http.NoBody)
		}
	}
}

func newOrder() *order {
	o := &order{
		Session: fmt.Sprintf("s%06d", rand.Intn(1_000_000)),
		Note:    strings.Repeat("leave it at the door ", 1+rand.Intn(20)),
	}
	for i := 1 + rand.Intn(8); i > 0; i-- {
		o.Lines = append(o.Lines, orderLine{Product: rand.Intn(products), Count: 1 + rand.Intn(3)})
	}
	return o
}

func send(client *http.Client, target string, body io.Reader) {
	answer, err := client.Post(target, "application/octet-stream", body)
	if err != nil {
		log.Print(err)
		return
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		log.Print(err)
	}
}
