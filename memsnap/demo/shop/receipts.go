package main

import (
	"io"
	"net/http"
	"sync"
)

const maxReceipt = 1 << 20

// receiptIndex remembers the first bytes of every receipt, by session, to recognise duplicates.
type receiptIndex struct {
	mu      sync.Mutex
	headers map[string][]byte
}

var receipts = receiptIndex{headers: map[string][]byte{}}

func (x *receiptIndex) remember(session string, header []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.headers[session] = header
}

func (x *receiptIndex) len() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.headers)
}

// uploadReceipt reads a scanned document and keeps its first 64 bytes.
//
// This is the leak: header shares body's backing array, so the index keeps every document whole.
// bytes.Clone(body[:64]) would keep 64 bytes.
func uploadReceipt(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 64 || r.ContentLength > maxReceipt {
		http.Error(w, "a receipt has 64 bytes to 1 MB", http.StatusRequestEntityTooLarge)
		return
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	header := body[:64]
	receipts.remember(r.FormValue("session"), header)
	requests.Add("receipts", 1)
	w.WriteHeader(http.StatusNoContent)
}
