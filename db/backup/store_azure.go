package backup

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"rapport/model"
)

const azureKeys = "AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING"

// openAzure returns a store in a container of Azure Blob Storage.
func openAzure(u *url.URL, c Credentials) (Store, error) {
	a, err := readAddress(u, u.Host+".blob.core.windows.net")
	if err != nil {
		return nil, err
	}
	name, prefix, _ := strings.Cut(a.prefix, "/")
	if name == "" {
		return nil, model.Errorf(model.Invalid, "the address azblob://%s names no container", a.host).WithHint("write azblob://ACCOUNT/CONTAINER/PREFIX")
	}
	r := &remote{name: placeName(u), container: "container", prefix: prefix, pause: wait,
		keyHint: azureKeys + "; the clock, too: Azure refuses one that is far off"}
	r.connect = func(ctx context.Context) (driver, []string, error) {
		env, err := c.lookup(ctx)
		if err != nil {
			return nil, nil, err
		}
		client, secrets, err := a.container(name, env)
		if err != nil {
			return nil, nil, err
		}
		if client == nil {
			return nil, nil, missing(r.name, azureKeys)
		}
		return &azure{client}, secrets, nil
	}
	return r, nil
}

// container returns the client of a container with the first key that the
// variables give, nil if they give none.
func (a remoteAddress) container(name string, env func(string) string) (*container.Client, []string, error) {
	options := &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: &http.Client{Transport: newTransport()},
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}}
	wrong := func(variable string) error {
		// The cause would repeat what the variable holds.
		return model.Errorf(model.Invalid, "%s is not of the right form", variable).WithHint("copy it again from the access keys of the storage account")
	}
	if account := env("AZURE_STORAGE_ACCOUNT"); account != "" && account != a.host && env("AZURE_STORAGE_CONNECTION_STRING") == "" {
		return nil, nil, model.Errorf(model.Invalid, "AZURE_STORAGE_ACCOUNT is %s, the address of the backups says %s", account, a.host).WithHint("make them the same")
	}
	scheme := "http://"
	if a.secure {
		scheme = "https://"
	}
	at := scheme + a.endpoint + "/"
	if !strings.HasPrefix(a.endpoint, a.host+".") {
		at += a.host + "/" // an emulator or a gateway: the account is in the path
	}
	at += url.PathEscape(name)
	if text := env("AZURE_STORAGE_CONNECTION_STRING"); text != "" {
		client, err := container.NewClientFromConnectionString(text, name, options)
		if err != nil {
			return nil, nil, wrong("AZURE_STORAGE_CONNECTION_STRING")
		}
		secrets := []string{text}
		for _, field := range strings.Split(text, ";") {
			if word, value, _ := strings.Cut(field, "="); word == "AccountKey" || word == "SharedAccessSignature" {
				secrets = append(secrets, value)
			}
		}
		return client, secrets, nil
	}
	if key := env("AZURE_STORAGE_KEY"); key != "" {
		shared, err := container.NewSharedKeyCredential(a.host, key)
		if err != nil {
			return nil, nil, wrong("AZURE_STORAGE_KEY")
		}
		client, err := container.NewClientWithSharedKeyCredential(at, shared, options)
		return client, []string{key}, err
	}
	if token := strings.TrimPrefix(env("AZURE_STORAGE_SAS_TOKEN"), "?"); token != "" {
		values, err := url.ParseQuery(token)
		if err != nil || values.Get("sig") == "" {
			return nil, nil, wrong("AZURE_STORAGE_SAS_TOKEN")
		}
		client, err := container.NewClientWithNoCredential(at+"?"+token, options)
		return client, []string{token, values.Get("sig")}, err
	}
	return nil, nil, nil
}

// azure speaks the protocol of Azure Blob Storage.
type azure struct{ c *container.Client }

// put sends the checksum with the object: what arrives with another, or not
// whole, is not taken.
func (z *azure) put(ctx context.Context, name string, data []byte, fresh bool) error {
	sum := md5.Sum(data)
	options := &blockblob.UploadOptions{TransactionalValidation: blob.TransferValidationTypeMD5(sum[:])}
	if fresh {
		any := azcore.ETagAny
		options.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &any}}
	}
	_, err := z.c.NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(data)), options)
	return err
}

func (z *azure) get(ctx context.Context, name string, from, to int64) ([]byte, error) {
	options := &blob.DownloadStreamOptions{}
	if to > 0 {
		options.Range = blob.HTTPRange{Offset: from, Count: to - from}
	}
	answer, err := z.c.NewBlobClient(name).DownloadStream(ctx, options)
	if err != nil {
		return nil, err
	}
	size := int64(-1)
	if answer.ContentLength != nil {
		size = *answer.ContentLength
	}
	return readWhole(answer.Body, size)
}

func (z *azure) list(ctx context.Context, prefix string) ([]Object, error) {
	var out []Object
	pages := z.c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, b := range page.Segment.BlobItems {
			out = append(out, Object{Key: *b.Name, Size: deref(b.Properties.ContentLength), At: deref(b.Properties.LastModified)})
		}
	}
	return out, nil
}

func deref[T int64 | time.Time](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (z *azure) stat(ctx context.Context, name string) (Object, error) {
	p, err := z.c.NewBlobClient(name).GetProperties(ctx, nil)
	return Object{Key: name, Size: deref(p.ContentLength), At: deref(p.LastModified)}, err
}

func (z *azure) delete(ctx context.Context, name string) error {
	_, err := z.c.NewBlobClient(name).Delete(ctx, nil)
	return err
}

func (z *azure) fault(err error) fault {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return faultPassing // no answer came, or only a part of it
	}
	switch answer.ErrorCode {
	case "BlobNotFound":
		return faultAbsent
	case "ContainerNotFound":
		return faultNoContainer
	case "BlobAlreadyExists", "ConditionNotMet":
		return faultTaken
	case "InvalidRange":
		return faultRange
	case "Md5Mismatch", "ContainerBeingDeleted", "OperationTimedOut", "ServerBusy", "InternalError":
		return faultPassing
	case "AccountIsDisabled", "AuthenticationFailed", "AuthorizationFailure", "AuthorizationPermissionMismatch", "InsufficientAccountPermissions":
		return faultRefused
	}
	return faultOfStatus(answer.StatusCode)
}
